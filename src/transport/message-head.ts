// What intake needs to know of a message's header: how often it was received already, to whom it was delivered already,
// and which fields a submission lacks. One scan of the header block, nothing of the body.

import { FieldNames } from '../mail/field-names.ts';
import { type HeaderBlock, headerFields, offsetsPerField } from '../mail/header.ts';

export interface MessageHead {
  readonly receivedCount: number;
  /** Values of Delivered-To, lower case. */
  readonly deliveredTo: readonly string[];
  /** Lower-case names of the servers that received it, from "by" of Received; only when there is a Delivered-To. */
  readonly receivedBy: readonly string[];
  /** False: fields put before it need a blank line behind them, or the first lines of its body would become fields. */
  readonly hasHeader: boolean;
  readonly hasFrom: boolean;
  readonly hasDate: boolean;
  readonly hasMessageId: boolean;
}

/** No header of a real message is longer; what comes behind is not looked at. */
export const headBytesMax = 256 * 1024;

/** The header of a message that came in pieces, scanned once for all who ask. */
export interface ScannedHeader {
  /** The first bytes of the message; more than the header. */
  readonly bytes: Buffer;
  readonly block: HeaderBlock;
}

export function scanHeader(pieces: readonly Buffer[]): ScannedHeader {
  const bytes = firstBytes(pieces);
  return { bytes, block: headerFields(bytes, 0, Math.min(bytes.length, headBytesMax)) };
}

/** Copies only when the first piece does not hold the header. */
function firstBytes(pieces: readonly Buffer[]): Buffer {
  const first = pieces[0];
  if (first === undefined) return Buffer.alloc(0);
  if (pieces.length === 1 || first.length >= headBytesMax || first.includes('\r\n\r\n')) return first;
  let length = 0;
  let count = 0;
  while (count < pieces.length && length < headBytesMax) length += pieces[count++]!.length;
  return Buffer.concat(pieces.slice(0, count), length);
}

const traceNames = new FieldNames(['received', 'date', 'from', 'message-id', 'delivered-to']);

/** The server of a Received field: "from a by b with …". */
const byClause = /(?:^|\s)by\s+([^\s;()]+)/i;

export function readMessageHead({ bytes, block }: ScannedHeader): MessageHead {
  const valueAt = (base: number): string =>
    bytes.toString('utf8', block.offsets[base + 2], block.offsets[base + 3]).trim();
  const received: number[] = [];
  const deliveredTo: string[] = [];
  let hasFrom = false;
  let hasDate = false;
  let hasMessageId = false;
  for (let index = 0; index < block.count; index++) {
    const base = index * offsetsPerField;
    const name = traceNames.of(bytes, block, index);
    if (name === 'received') received.push(base);
    else if (name === 'date') hasDate = true;
    else if (name === 'from') hasFrom = true;
    else if (name === 'message-id') hasMessageId = true;
    else if (name === 'delivered-to') deliveredTo.push(valueAt(base).toLowerCase());
  }
  const receivedBy: string[] = [];
  if (deliveredTo.length > 0) {
    for (const base of received) receivedBy.push(byClause.exec(valueAt(base))?.[1]?.toLowerCase() ?? '');
  }
  const hasHeader = block.count > 0 || block.end > 0;
  const receivedCount = received.length;
  return { receivedCount, deliveredTo, receivedBy, hasHeader, hasFrom, hasDate, hasMessageId };
}
