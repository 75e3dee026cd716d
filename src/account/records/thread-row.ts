// Threads: a row a (Message-ID, base subject) pair, saying which thread it belongs to and which email brought it.
// Two messages are of one thread when they share a Message-ID (their own, References or In-Reply-To) and their base
// subject (RFC 8621 section 3 suggests this; RFC 5256 2.1 defines the base subject). The pair is hashed to 48 bits.
// Invariant: the rows an email brought go with it; threads are never merged, so a thread id never changes.

import { hash } from 'node:crypto';
import { decodeRecord, encodeRecord, RecordDamaged } from '../../storage/record.ts';
import type { PreparedMessage } from '../prepared-message.ts';

export interface ThreadRow {
  readonly threadId: number;
  /** The email this row goes with. */
  readonly emailId: number;
}

const version = 1;

export function encodeThreadRow(row: ThreadRow): Buffer {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeDoubleBE(row.threadId, 0);
  bytes.writeDoubleBE(row.emailId, 8);
  return encodeRecord('thread', version, bytes);
}

/** Throws RecordDamaged. */
export function decodeThreadRow(value: Uint8Array): ThreadRow {
  const { payload } = decodeRecord('thread', version, value);
  if (payload.length < 16) throw new RecordDamaged('thread record is cut short');
  return { threadId: payload.readDoubleBE(0), emailId: payload.readDoubleBE(8) };
}

/** Keys of the thread rows a message belongs to, each once. */
export function threadHashesOf(message: Pick<PreparedMessage, 'messageIds' | 'baseSubject'>): number[] {
  const hashes: number[] = [];
  for (const messageId of message.messageIds) {
    const digest = hash('sha256', `${messageId}\0${message.baseSubject}`, 'buffer');
    const key = digest.readUIntBE(0, 6);
    if (!hashes.includes(key)) hashes.push(key);
  }
  return hashes;
}
