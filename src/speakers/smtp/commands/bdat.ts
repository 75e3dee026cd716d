// BDAT: the message in counted chunks (RFC 3030). Whatever the reply, exactly the counted bytes are read first: taking
// them for commands would be smuggling.

import { parseBdatArguments } from '../../../wire/smtp/other-arguments.ts';
import { SmtpSyntaxError } from '../../../wire/smtp/smtp-syntax-error.ts';
import { anyState, type SmtpCommand } from '../command.ts';
import { finishMessage, openReceiver, refuseMessage } from '../finish-message.ts';
import type { MessageReceiver } from '../message-receiver.ts';
import type { SmtpSession } from '../smtp-session.ts';

const chunkBytesMax = 64 * 1024;

/** Reads `count` bytes, into the receiver when there is one. */
async function receive(
  session: SmtpSession,
  count: number,
  receiver: MessageReceiver | undefined,
): Promise<void> {
  const { connection, transaction } = session;
  const pace = transaction?.pace ?? session.openPace();
  let rest = count;
  while (rest > 0) {
    const chunk = connection.takeBytes(Math.min(rest, chunkBytesMax));
    if (chunk === undefined) {
      await pace.fillMessage();
      continue;
    }
    rest -= chunk.length;
    pace.received(chunk.length);
    const room = receiver?.reserve(chunk.length) ?? true;
    if (room !== true) await room;
    receiver?.add(chunk);
  }
}

async function takeChunk(session: SmtpSession, bytes: number, last: boolean): Promise<string> {
  const transaction = session.transaction;
  if (transaction === undefined || transaction.recipients.length === 0) {
    await receive(session, bytes, undefined);
    session.endTransaction();
    return '503 5.5.1 MAIL and RCPT come first\r\n';
  }
  transaction.receiver ??= openReceiver(session);
  transaction.pace ??= session.openPace();
  const { receiver } = transaction;
  let isDone = true;
  try {
    await receive(session, bytes, receiver);
    if (last) return await finishMessage(session, receiver, { isCrlf: false });
    // RFC 3030 4.2: a failed chunk fails the transaction; what comes behind it is read and refused.
    if (receiver.failure === 'tooLarge') return '552 5.3.4 Message is too large\r\n';
    if (receiver.failure === 'noMemory') return '452 4.3.1 Too busy just now, try again later\r\n';
    isDone = false;
    return `250 2.0.0 ${bytes} bytes received\r\n`;
  } finally {
    if (isDone) session.endTransaction();
  }
}

export const bdatCommand: SmtpCommand = {
  verb: 'BDAT',
  states: anyState,
  argument: 'any',
  idle: false,
  rfc: 'RFC 3030 2',
  handle(session, argument) {
    const { limits } = session.dependencies;
    try {
      const { bytes, last } = parseBdatArguments(argument);
      if (bytes <= limits.messageBytesMax) return takeChunk(session, bytes, last);
      // Reading all of it only to drop it would be a gift to nobody.
      session.finished = true;
      return last ? refuseMessage(session, tooLarge) : tooLarge;
    } catch (error) {
      // Nobody knows where the next command starts.
      if (error instanceof SmtpSyntaxError) session.finished = true;
      throw error;
    }
  },
};

const tooLarge = '552 5.3.4 Message is too large\r\n';
