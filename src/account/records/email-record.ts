// The records of an email, that is of a message however many mailboxes it is in:
// - the email record, small, rewritten when a membership comes or goes;
// - the summary record, never rewritten: the thread id and the encoded summary (summary.ts);
// - the content record, never rewritten: the bytes of a message that is too small for the blob store;
// - the record of its size as POP3 sends it, never rewritten, only of the few where that is not the size stored.
// Invariant: an email record has at least one membership; its last one takes all of them away in the same batch.

import { decodeRecord, encodeRecord, RecordDamaged, recordHeaderBytes } from '../../storage/record.ts';
import type { SentSizeDifference } from '../../wire/pop3/sent-size.ts';

export interface EmailRecord {
  readonly threadId: number;
  readonly size: number;
  /** SHA-256 of the bytes. */
  readonly digest: Uint8Array;
  /** True: a content record holds the bytes; false: the blob of the digest. */
  readonly inline: boolean;
  /** There is a record of its size as it is sent. */
  readonly sentOtherwise: boolean;
  /** As PreparedMessage.isNulFree. False of emails that were stored before it was noted. */
  readonly isNulFree: boolean;
  /** The mod-sequence it came with. */
  readonly createdModSeq: number;
  /** Hashes of the thread rows that go with this email. */
  readonly threadHashes: readonly number[];
  /** Pairs: mailbox id, uid. */
  readonly memberships: readonly number[];
}

const version = 1;
/** Of emails that are sent with another size: who does not know of that record would leave it behind. */
const versionSentOtherwise = 2;
const isInline = 1;
const isSentOtherwise = 2;
const hasNoNul = 4;
/**
 * Of summaries and content of emails without NUL, which are read by the hundred without their email records. The payload is the
 * same: who does not know this version reads it as the other.
 */
const versionNulFree = 0;
const fixedBytes = 8 + 4 + 1 + 8 + 32 + 2;

export function encodeEmail(email: EmailRecord): Buffer {
  const { threadHashes, memberships } = email;
  const bytes = Buffer.allocUnsafe(fixedBytes + threadHashes.length * 6 + memberships.length * 4);
  bytes.writeDoubleBE(email.threadId, 0);
  bytes.writeUInt32BE(email.size, 8);
  bytes[12] =
    (email.inline ? isInline : 0) |
    (email.sentOtherwise ? isSentOtherwise : 0) |
    (email.isNulFree ? hasNoNul : 0);
  bytes.writeDoubleBE(email.createdModSeq, 13);
  bytes.set(email.digest, 21);
  bytes.writeUInt16BE(threadHashes.length, 53);
  let position = fixedBytes;
  for (const hash of threadHashes) position = bytes.writeUIntBE(hash, position, 6);
  for (const number of memberships) position = bytes.writeUInt32BE(number, position);
  return encodeRecord('email', email.sentOtherwise ? versionSentOtherwise : version, bytes);
}

/** Throws RecordDamaged. */
export function decodeEmail(value: Uint8Array): EmailRecord {
  const { payload } = decodeRecord('email', versionSentOtherwise, value);
  if (payload.length < fixedBytes) throw new RecordDamaged('email record is cut short');
  const hashes = payload.readUInt16BE(53);
  let position = fixedBytes + hashes * 6;
  if ((payload.length - position) % 8 !== 0) throw new RecordDamaged('email record has half a membership');
  const threadHashes: number[] = [];
  for (let at = fixedBytes; at < position; at += 6) threadHashes.push(payload.readUIntBE(at, 6));
  const memberships: number[] = [];
  for (; position < payload.length; position += 4) memberships.push(payload.readUInt32BE(position));
  return {
    threadId: payload.readDoubleBE(0),
    size: payload.readUInt32BE(8),
    inline: (payload[12]! & isInline) !== 0,
    sentOtherwise: (payload[12]! & isSentOtherwise) !== 0,
    isNulFree: (payload[12]! & hasNoNul) !== 0,
    createdModSeq: payload.readDoubleBE(13),
    digest: payload.subarray(21, 53),
    threadHashes,
    memberships,
  };
}

export interface SummaryRecord {
  readonly threadId: number;
  /** Undefined when it was of an older form than this program writes: prepare it again from the content. */
  readonly summary: Uint8Array;
  /** As EmailRecord.isNulFree. */
  readonly isNulFree: boolean;
}

export function encodeSummaryRecord({ threadId, summary, isNulFree }: SummaryRecord): Buffer {
  const head = Buffer.allocUnsafe(8);
  head.writeDoubleBE(threadId, 0);
  return encodeRecord('summary', isNulFree ? versionNulFree : version, head, summary);
}

/** Throws RecordDamaged. */
export function decodeSummaryRecord(value: Uint8Array): SummaryRecord {
  const { payload, version: found } = decodeRecord('summary', version, value);
  if (payload.length < 8) throw new RecordDamaged('summary record is cut short');
  const isNulFree = found === versionNulFree;
  return { threadId: payload.readDoubleBE(0), summary: payload.subarray(8), isNulFree };
}

/** The same of a record that is known to be sound, from one byte of `bytes` to before another. */
export function decodeCheckedSummary(bytes: Buffer, start: number, end: number): SummaryRecord {
  const payload = start + recordHeaderBytes;
  return {
    threadId: bytes.readDoubleBE(payload),
    summary: bytes.subarray(payload + 8, end),
    // A record begins with its version.
    isNulFree: bytes[start] === versionNulFree,
  };
}

export interface Content {
  readonly bytes: Uint8Array;
  /** As EmailRecord.isNulFree. */
  readonly isNulFree: boolean;
}

export function encodeContent({ bytes, isNulFree }: Content): Buffer {
  return encodeRecord('content', isNulFree ? versionNulFree : version, bytes);
}

/** Throws RecordDamaged. */
export function decodeContent(value: Uint8Array): Content {
  const record = decodeRecord('content', version, value);
  return { bytes: record.payload, isNulFree: record.version === versionNulFree };
}

export function encodeSentSize({ lineEnds, surrogate }: SentSizeDifference): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32BE(lineEnds, 0);
  bytes.writeInt32BE(surrogate, 4);
  return encodeRecord('sentSize', version, bytes);
}

/** Throws RecordDamaged. */
export function decodeSentSize(value: Uint8Array): SentSizeDifference {
  const { payload } = decodeRecord('sentSize', version, value);
  if (payload.length < 8) throw new RecordDamaged('sentSize record is cut short');
  return { lineEnds: payload.readUInt32BE(0), surrogate: payload.readInt32BE(4) };
}

/** The holder's name of an email's blob link. */
export function blobHolder(accountId: string, emailId: number): string {
  return `${accountId}/${emailId}`;
}
