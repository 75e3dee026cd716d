// RETR and TOP (RFC 1939 sections 5 and 7). A message that fits what is read ahead leaves in one write, as text when
// small, so that pipelined replies become one buffer; a larger one leaves in pieces, as fast as the client takes them.
// A message that vanished in the middle of its reply cannot be taken back: the connection is cut, so that the client
// does not take half of it for all.

import { Fault } from '../../../base/fault.ts';
import { MultilineEncoder } from '../../../wire/pop3/multiline.ts';
import { parseTopArguments } from '../../../wire/pop3/parse-command.ts';
import { shownHeader } from '../../../wire/pop3/sent-size.ts';
import { headerEnd, surrogateHeader } from '../../../wire/pop3/surrogate-header.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import type { Retrieved } from '../maildrop.ts';
import type { Pop3Session } from '../pop3-session.ts';
import { maildropOf, messageNumber } from './maildrop.ts';

/** Up to this size copying a message into the reply's text costs less than another buffer in the write. */
const textBytesMax = 16 * 1024;

export function retr(session: Pop3Session, argument: string): Promise<void> | undefined {
  const number = messageNumber(session, argument);
  return number === undefined ? undefined : sendWhole(session, number);
}

function sendWhole(session: Pop3Session, number: number): Promise<void> | undefined {
  const read = maildropOf(session).takeRead(number);
  return read === undefined ? retrieve(session, number) : send(session, number, read);
}

async function retrieve(session: Pop3Session, number: number): Promise<void> {
  const read = await maildropOf(session).read(number);
  if (read === undefined) {
    session.err('another session removed this message');
    return;
  }
  await send(session, number, read);
}

function send(session: Pop3Session, number: number, message: Retrieved): Promise<void> | undefined {
  const { connection, environment } = session;
  const { bytes, size } = message;
  environment.metrics.retrieved(size);
  const status = `+OK ${maildropOf(session).size(number)} octets\r\n`;
  const encoder = new MultilineEncoder();
  if (bytes.length < size) return sendInPieces(session, number, message);
  if (size <= textBytesMax) {
    const text = encoder.text(shownText(session, bytes.toString('latin1')));
    connection.write(status + text + encoder.end());
    return undefined;
  }
  connection.write(status);
  connection.write(encoder.bytes(shownBytes(session, bytes)));
  connection.write(encoder.end());
  return undefined;
}

async function sendInPieces(session: Pop3Session, number: number, message: Retrieved): Promise<void> {
  const { connection } = session;
  const encoder = new MultilineEncoder();
  connection.write(`+OK ${maildropOf(session).size(number)} octets\r\n`);
  connection.write(encoder.bytes(shownBytes(session, message.bytes)));
  for (let offset = message.bytes.length; offset < message.size; ) {
    if (connection.congested) await connection.drain();
    const piece = await nextPiece(session, number, offset);
    offset += piece.length;
    connection.write(encoder.bytes(piece));
  }
  connection.write(encoder.end());
}

/** The status line is out: whatever goes wrong now can only be told by cutting the connection. */
async function nextPiece(session: Pop3Session, number: number, offset: number): Promise<Buffer> {
  let piece: Buffer | undefined;
  try {
    piece = await maildropOf(session).readPiece(number, offset);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    session.connection.log.error({ err: error }, 'a message could not be read to its end');
  }
  if (piece !== undefined && piece.length > 0) return piece;
  session.connection.destroy();
  throw new ConnectionClosed();
}

export function top(session: Pop3Session, argument: string): Promise<void> | undefined {
  const wanted = parseTopArguments(argument);
  if (wanted === undefined) {
    session.err('TOP has a message number and a number of lines');
    return undefined;
  }
  const number = messageNumber(session, wanted.message.toString());
  if (number === undefined) return undefined;
  // fetchmail asks for whole messages so; they are read ahead as RETR's are.
  if (wanted.lines >= maildropOf(session).size(number)) return sendWhole(session, number);
  return retrieveTop(session, number, wanted.lines);
}

async function retrieveTop(session: Pop3Session, number: number, lines: number): Promise<void> {
  const beginning = await maildropOf(session).readBeginning(number);
  if (beginning === undefined) {
    session.err('another session removed this message');
    return;
  }
  await sendTop(session, { number, lines, beginning });
}

async function sendTop(
  session: Pop3Session,
  { number, lines, beginning }: { number: number; lines: number; beginning: Retrieved },
): Promise<void> {
  const { connection } = session;
  const encoder = new MultilineEncoder();
  const cutter = new TopCutter(lines);
  connection.write('+OK top of message follows\r\n');
  connection.write(encoder.bytes(cutter.cut(shownBytes(session, beginning.bytes))));
  for (let offset = beginning.bytes.length; offset < beginning.size && !cutter.isDone; ) {
    if (connection.congested) await connection.drain();
    const piece = await nextPiece(session, number, offset);
    offset += piece.length;
    connection.write(encoder.bytes(cutter.cut(piece)));
  }
  connection.write(encoder.end());
}

/** Lets through the header, its empty line and a number of lines behind it; pieces may be cut anywhere. */
class TopCutter {
  #lines: number;
  #inHeader = true;
  /** What the line being read holds so far, as far as it tells whether it is empty: '', a CR, or more. */
  #lineHas: 'nothing' | 'carriageReturn' | 'text' = 'nothing';

  constructor(lines: number) {
    this.#lines = lines;
  }

  get isDone(): boolean {
    return !this.#inHeader && this.#lines === 0;
  }

  cut(piece: Buffer): Buffer {
    let start = 0;
    while (!this.isDone) {
      const end = piece.indexOf(10, start);
      if (end < 0) {
        this.#remember(piece, start);
        return piece;
      }
      const isEmpty = this.#isEmptyLine(piece, start, end);
      if (!this.#inHeader) this.#lines--;
      else if (isEmpty) this.#inHeader = false;
      this.#lineHas = 'nothing';
      start = end + 1;
    }
    return piece.subarray(0, start);
  }

  #isEmptyLine(piece: Buffer, start: number, end: number): boolean {
    if (this.#lineHas === 'text') return false;
    if (end === start) return true;
    return this.#lineHas === 'nothing' && end === start + 1 && piece[start] === 13;
  }

  #remember(piece: Buffer, start: number): void {
    if (start === piece.length) return;
    const isCarriageReturn = this.#lineHas === 'nothing' && piece.length === start + 1 && piece[start] === 13;
    this.#lineHas = isCarriageReturn ? 'carriageReturn' : 'text';
  }
}

/** RFC 6856 2.1: raw UTF-8 in headers only for those who asked for it. */
function shownText(session: Pop3Session, text: string): string {
  if (session.utf8) return text;
  const end = headerEnd(text);
  const header = end < 0 ? text : text.slice(0, end);
  const shown = surrogateHeader(header);
  return shown === header ? text : shown + text.slice(header.length);
}

/** Headers are at the beginning: only the first piece of a message comes here. */
function shownBytes(session: Pop3Session, bytes: Buffer): Buffer {
  if (session.utf8) return bytes;
  const { header, shown } = shownHeader(bytes);
  if (shown === header) return bytes;
  return Buffer.concat([Buffer.from(shown, 'latin1'), bytes.subarray(header.length)]);
}
