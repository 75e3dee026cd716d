// DATA: the message, up to CR LF . CR LF (RFC 5321 4.1.1.4).

import { DataDecoder } from '../../../wire/smtp/data-decoder.ts';
import type { SmtpCommand } from '../command.ts';
import { finishMessage, openReceiver, refuseMessage } from '../finish-message.ts';
import type { MessageReceiver } from '../message-receiver.ts';
import type { SmtpSession } from '../smtp-session.ts';

/** Bytes taken at a time; others get their turn between. */
const chunkBytesMax = 64 * 1024;

/** Reads and decodes up to the end; all of it, also when nothing is kept. */
async function receive(session: SmtpSession, decoder: DataDecoder, receiver: MessageReceiver): Promise<void> {
  const { connection } = session;
  const pace = session.openPace();
  while (!decoder.ended) {
    const chunk = connection.takeBytes(chunkBytesMax);
    if (chunk === undefined) {
      await pace.fillMessage();
      continue;
    }
    pace.received(chunk.length);
    const room = receiver.reserve(chunk.length);
    if (room !== true) await room;
    const used = decoder.push(chunk, receiver);
    if (used < chunk.length) connection.putBack(chunk.subarray(used));
  }
}

async function takeMessage(session: SmtpSession): Promise<string> {
  const receiver = openReceiver(session);
  try {
    session.connection.write('354 End with CR LF . CR LF\r\n');
    const decoder = new DataDecoder();
    await receive(session, decoder, receiver);
    if (decoder.bareLineEnd) {
      return refuseMessage(session, '554 5.6.0 Message has a bare CR or LF; lines must end with CR LF\r\n');
    }
    return await finishMessage(session, receiver, { isCrlf: true });
  } finally {
    receiver.release();
    session.endTransaction();
  }
}

export const dataCommand: SmtpCommand = {
  verb: 'DATA',
  states: ['rcpt'],
  argument: 'none',
  idle: false,
  rfc: 'RFC 5321 4.1.1.4',
  handle(session) {
    const { mail, receiver } = session.transaction!;
    // RFC 3030 3: binary bodies and begun chunks go by BDAT only.
    if (receiver !== undefined || mail.body === 'BINARYMIME') {
      return '503 5.5.1 Go on with BDAT\r\n';
    }
    return takeMessage(session);
  },
};
