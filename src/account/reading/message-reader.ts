// Reads what messages hold: bytes and summaries. Reads go around the writer: an email's content never changes, so the
// only race is that it is gone meanwhile, which is answered as gone.
// Invariant: answers stop before `bytesMax`, but always hold one. Fails with Fault when storage does, or is damaged.

import { Fault } from '../../base/fault.ts';
import { type HeaderBlock, headerFields } from '../../mail/header.ts';
import type { EmailId, ThreadId, Uid } from '../../mail/ids.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Bytes, Reader } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import type { MessageColumns } from '../port.ts';
import type { ByteRange, MessageBytes, MessageSummary } from '../port-reads.ts';
import { prepareSmallMessage } from '../prepare.ts';
import type { AccountKeys } from '../records/account-keys.ts';
import {
  type Content,
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  type SummaryRecord,
} from '../records/email-record.ts';
import { summaryHeader, summaryHeaderBlock, summaryStructure } from '../summary.ts';
import type { MessageTable } from '../table/message-table.ts';

/** Summaries asked for at a time; most are about a kilobyte. */
const summariesPerRead = 200;

export interface ReaderContext {
  readonly engine: Reader;
  readonly blobs: BlobStore;
  readonly keys: AccountKeys;
  readonly inlineBytesMax: number;
}

interface Found {
  readonly uid: number;
  /** Undefined: no such message. */
  readonly emailId: number | undefined;
  readonly size: number;
}

/** Where uids are; copied, so that later changes of the table do no harm. */
function locate(table: MessageTable, uids: Uint32Array, bytesMax: number): Found[] {
  const found: Found[] = [];
  let bytes = 0;
  let guess = 0;
  const { emailIds, sizes } = table.columns;
  for (const uid of uids) {
    const index = table.indexNear(uid, guess);
    const size = index < 0 ? 0 : sizes[index]!;
    if (found.length > 0 && bytes + size > bytesMax) break;
    bytes += size;
    found.push({ uid, emailId: index < 0 ? undefined : emailIds[index]!, size });
    if (index >= 0) guess = index + 1;
  }
  return found;
}

interface SummariesContext extends ReaderContext {
  /** Of messages that came just now. */
  readonly fresh: (emailId: number) => SummaryRecord | undefined;
}

export async function readSummaries(
  context: SummariesContext,
  table: MessageTable,
  uids: Uint32Array,
  bytesMax: number,
): Promise<MessageSummary[]> {
  const asked = uids.subarray(0, summariesPerRead);
  const emailIds = emailIdsOf(table, asked);
  const records: (SummaryRecord | undefined)[] = [];
  const keys: Bytes[] = [];
  for (let at = 0; at < emailIds.length; at++) {
    const emailId = emailIds[at]!;
    const record = context.fresh(emailId);
    records.push(record);
    if (record === undefined && emailId !== noEmail) keys.push(context.keys.summary(emailId));
  }
  const values = keys.length === 0 ? noValues : await context.engine.getMany(keys);
  const summaries: MessageSummary[] = [];
  for (let at = 0, next = 0, bytes = 0; at < asked.length; at++) {
    const emailId = emailIds[at]!;
    let record = records[at];
    if (record === undefined && emailId !== noEmail) record = soundSummary(values[next++]);
    bytes += record?.summary.length ?? 0;
    if (at > 0 && bytes > bytesMax) break;
    if (record === undefined && emailId !== noEmail) record = await summaryAgain(context, emailId);
    summaries.push({
      uid: asked[at]! as Uid,
      emailId: emailId as EmailId,
      threadId: (record?.threadId ?? 0) as ThreadId,
      summary: record?.summary,
      isNulFree: record?.isNulFree ?? false,
    });
  }
  return summaries;
}

/** Email ids begin at 1. */
const noEmail = 0;
const noValues: readonly (Bytes | undefined)[] = [];

/** A copy, so that later changes of the table do no harm. */
function emailIdsOf(table: MessageTable, uids: Uint32Array): Float64Array {
  const found = new Float64Array(uids.length);
  const { emailIds } = table.columns;
  for (let at = 0, guess = 0; at < uids.length; at++) {
    const index = table.indexNear(uids[at]!, guess);
    found[at] = index < 0 ? noEmail : emailIds[index]!;
    if (index >= 0) guess = index + 1;
  }
  return found;
}

/** Undefined: there is none, or it is damaged. */
export function soundSummary(value: Bytes | undefined): SummaryRecord | undefined {
  return value === undefined ? undefined : unlessDamaged(() => decodeSummaryRecord(value));
}

/** A summary that is lost or damaged, made again from the message, which is what it was made of; undefined: it is gone. */
export async function summaryAgain(
  context: ReaderContext,
  emailId: number,
): Promise<SummaryRecord | undefined> {
  const row = await context.engine.get(context.keys.email(emailId));
  if (row === undefined) return undefined;
  const { threadId, size } = decodeEmail(row);
  const bytes = await readEmail(context, emailId, { offset: 0, length: size });
  if (bytes === undefined) return undefined;
  const { summary, isNulFree } = prepareSmallMessage(bytes);
  return { threadId, summary, isNulFree };
}

export interface StoredHeader {
  /** At least the header, with its blank line. */
  readonly bytes: Uint8Array;
  readonly block: HeaderBlock;
}

/**
 * A message's own header: at once from its summary, where most are, else read. Undefined: the message is gone. `room`: as
 * summaryHeaderBlock.
 */
export function storedHeader(
  context: ReaderContext,
  message: { readonly emailId: number; readonly summary: Uint8Array; readonly room?: Int32Array },
): StoredHeader | Promise<StoredHeader | undefined> {
  const { emailId, summary, room } = message;
  const block = summaryHeaderBlock(summary, room);
  const kept = summaryHeader(summary);
  if (kept !== undefined) return { bytes: kept, block: block ?? headerFields(kept) };
  return readHeader(context, emailId, {
    block,
    length: block?.end ?? summaryStructure(summary).root.headerEnd,
  });
}

async function readHeader(
  context: ReaderContext,
  emailId: number,
  { block, length }: { readonly block: HeaderBlock | undefined; readonly length: number },
): Promise<StoredHeader | undefined> {
  const bytes = await readEmail(context, emailId, { offset: 0, length });
  return bytes && { bytes, block: block ?? headerFields(bytes) };
}

export async function readMessages(
  context: ReaderContext,
  table: MessageTable,
  uids: Uint32Array,
  bytesMax: number,
): Promise<MessageBytes[]> {
  return readFound(context, locate(table, uids, bytesMax), bytesMax);
}

/**
 * The same for a process that shares the store with the account's host, and was told by it where messages are: `columns`
 * are those of `uids`, without those that are gone.
 */
export async function readMessagesAt(
  context: ReaderContext,
  columns: Pick<MessageColumns, 'uids' | 'sizes' | 'emailIds'>,
  uids: Uint32Array,
  bytesMax: number,
): Promise<MessageBytes[]> {
  const found: Found[] = [];
  let bytes = 0;
  let next = 0;
  for (const uid of uids) {
    const isThere = columns.uids[next] === uid;
    const size = isThere ? columns.sizes[next]! : 0;
    if (found.length > 0 && bytes + size > bytesMax) break;
    bytes += size;
    found.push({ uid, emailId: isThere ? columns.emailIds[next++]! : undefined, size });
  }
  return readFound(context, found, bytesMax);
}

async function readFound(
  context: ReaderContext,
  found: readonly Found[],
  bytesMax: number,
): Promise<MessageBytes[]> {
  // Which rows hold the bytes is told by the size; an email stored under another limit is found by its record.
  const inline = found.filter((message) => message.size <= context.inlineBytesMax);
  const values = await getMany(context, inline, (emailId) => context.keys.content(emailId));
  let next = 0;
  // Files are read side by side: each has a way to a thread and back.
  const contents = found.map((message) => {
    const value = message.size <= context.inlineBytesMax ? values[next++] : undefined;
    if (value !== undefined) return decodeContent(value);
    if (message.emailId === undefined) return undefined;
    return readContent(context, message.emailId, { offset: 0, length: Math.min(message.size, bytesMax) });
  });
  const settled = await Promise.all(contents);
  return found.map(({ uid, size }, index) => {
    const content = settled[index];
    const bytes = content?.bytes.subarray(0, bytesMax);
    return { uid: uid as Uid, bytes, size, isNulFree: content?.isNulFree ?? false };
  });
}

/** A range of an email's bytes, wherever they are; undefined when it is gone. */
export async function readEmail(
  context: ReaderContext,
  emailId: number,
  range: ByteRange,
): Promise<Uint8Array | undefined> {
  return (await readContent(context, emailId, range))?.bytes;
}

async function readContent(
  context: ReaderContext,
  emailId: number,
  { offset, length }: ByteRange,
): Promise<Content | undefined> {
  const value = await context.engine.get(context.keys.email(emailId));
  if (value === undefined) return undefined;
  const email = decodeEmail(value);
  if (email.inline) {
    const content = await context.engine.get(context.keys.content(emailId));
    if (content === undefined) return undefined;
    const { bytes, isNulFree } = decodeContent(content);
    return { bytes: bytes.subarray(offset, offset + length), isNulFree };
  }
  const bytes = await context.blobs.read(email.digest, offset, length);
  if (bytes !== undefined) return { bytes, isNulFree: email.isNulFree };
  // Expunged between the two reads, or lost.
  if ((await context.engine.get(context.keys.email(emailId))) === undefined) return undefined;
  throw new Fault(`the blob of email ${emailId} is missing`, { temporary: false });
}

/** Values for those that exist; keys in the order of `found`. */
async function getMany(
  context: ReaderContext,
  found: readonly Found[],
  keyOf: (emailId: number) => Bytes,
): Promise<(Bytes | undefined)[]> {
  if (found.every((message) => message.emailId !== undefined)) {
    return context.engine.getMany(found.map((message) => keyOf(message.emailId!)));
  }
  const present = found.filter((message) => message.emailId !== undefined);
  const values = await context.engine.getMany(present.map((message) => keyOf(message.emailId!)));
  let next = 0;
  return found.map((message) => (message.emailId === undefined ? undefined : values[next++]));
}
