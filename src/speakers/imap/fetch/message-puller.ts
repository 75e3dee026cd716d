// Pulls what FETCH needs of messages from the account, in bounded pieces: summaries, and the values of content items.
// Whole messages come many at a time; parts alone are read as ranges, of small messages together.
// A piece pulled ahead may be dropped: its failure is then nobody's.

import type { AccountPort } from '../../../account/port.ts';
import type {
  HeaderFields,
  HeaderFieldsChoice,
  MessageBytes,
  MessageSummary,
} from '../../../account/port-reads.ts';
import type { Clock } from '../../../base/clock.ts';
import { asBuffer } from '../../../mail/bytes.ts';
import type { MailboxId, Uid } from '../../../mail/ids.ts';
import type { ReadAhead } from '../../kit/read-ahead.ts';
import { type ImapSession, viewOf } from '../session.ts';
import {
  areAllWhole,
  type ContentValues,
  contentValues,
  keptHeaderValues,
  wholeValue,
} from './content-values.ts';
import type { FetchPlan } from './fetch-plan.ts';
import { MessageParts } from './message-parts.ts';
import type { Targets } from './targets.ts';

/** A summary is about a kilobyte; the fields that lists of messages ask for are a quarter of one. */
const summaryBytesPerPull = 256 * 1024;
const messagesPerPull = 256;
const fieldsBytesPerPull = 256 * 1024;
const fieldsPerPull = 1024;
/** Each pull is a call to the account's host and some requests to a database: with half as much FETCH costs a fifth more. */
export const messageBytesPerPull = 2 * 1024 * 1024;
/** Pieces of whole messages on their way while one is written: one comes, and the store has the next in hand. */
export const piecesAheadMax = 2;
/** Messages of which parts are read at the same time; with valueBytesInMemory this bounds a piece to 8 MiB an item. */
const partialMessagesPerPull = 32;
const decodedBytesPerPull = 8 * 1024 * 1024;
/** Of one FETCH, whatever it asks for. */
const bytesAheadMax = 2 * decodedBytesPerPull;
/** Of one that asks for nothing but whole messages: beside those ahead, a piece that is written and what the socket has of the last. */
const wholeBytesAheadMax = (piecesAheadMax + 2) * messageBytesPerPull;
/** A summary that is kept long, as its envelope is. */
const summaryBytes = 4 * 1024;
/** Of smaller messages all bytes are read, many in one call, whatever part is asked for. */
const smallMessageBytes = 16 * 1024;

export interface ContentPiece {
  /** From the row at which the piece was asked. */
  readonly values: readonly ContentValues[];
  readonly summaries: readonly MessageSummary[] | undefined;
}

const noFields: HeaderFields = {
  answered: 0,
  uids: new Uint32Array(),
  ends: new Uint32Array(),
  bytes: new Uint8Array(),
};
const noPiece: ContentPiece = { values: [], summaries: undefined };

export class MessagePuller {
  readonly #account: AccountPort;
  readonly #mailboxId: MailboxId;
  readonly #clock: Clock;
  readonly #plan: FetchPlan;
  readonly #allWhole: boolean;
  readonly #ahead: ReadAhead;

  constructor(session: ImapSession, plan: FetchPlan, ahead: ReadAhead) {
    const { account, mailboxId } = viewOf(session);
    this.#account = account;
    this.#mailboxId = mailboxId;
    this.#clock = session.environment.clock;
    this.#plan = plan;
    this.#ahead = ahead;
    this.#allWhole = areAllWhole(plan.content);
  }

  /** Summaries from a row on, as many as one pull gives; none behind the last row. */
  summaries(targets: Targets, row: number): Promise<MessageSummary[]> {
    if (row >= targets.count) return Promise.resolve([]);
    const uids = targets.columns.uids.subarray(row, row + messagesPerPull);
    return handled(
      this.#account.readSummaries(this.#mailboxId, uids, this.#ahead.pieceBytes(summaryBytesPerPull)),
    );
  }

  /** Header fields from a row on, as many as one pull gives; none behind the last row. */
  headerFields(targets: Targets, row: number, choice: HeaderFieldsChoice): Promise<HeaderFields> {
    if (row >= targets.count) return Promise.resolve(noFields);
    const uids = targets.columns.uids.subarray(row, row + fieldsPerPull);
    const options = { choice, bytesMax: this.#ahead.pieceBytes(fieldsBytesPerPull) };
    return handled(this.#account.readHeaderFields(this.#mailboxId, uids, options));
  }

  /** Values from a row on, as many as one pull gives; none behind the last row. */
  contents(targets: Targets, row: number): Promise<ContentPiece> {
    if (row >= targets.count) return Promise.resolve(noPiece);
    if (this.#plan.headersOnly) return handled(this.#pullHeaders(targets, row));
    return handled(this.#plan.readsWhole ? this.#pullWhole(targets, row) : this.#pullParts(targets, row));
  }

  /** The row behind the piece that `contents` gives from `row` on, if that can be told before. */
  contentsEnd(targets: Targets, row: number): number | undefined {
    return this.#allWhole ? this.#wholeEnd(targets, row) : undefined;
  }

  /** As many as the account gives in one pull, so that it is not asked where others are, and the next pull need not wait. */
  #wholeEnd({ columns: { sizes }, count }: Targets, row: number): number {
    const bytesMax = this.#ahead.pieceBytes(messageBytesPerPull);
    const endMax = Math.min(count, row + messagesPerPull);
    let end = row + 1;
    for (let bytes = sizes[row]!; end < endMax; end++) {
      bytes += sizes[end]!;
      if (bytes > bytesMax) break;
    }
    return end;
  }

  /** Many messages at once, their parts cut out of them. */
  async #pullWhole(targets: Targets, row: number): Promise<ContentPiece> {
    const uids = targets.columns.uids.subarray(row, this.#wholeEnd(targets, row));
    const bytesMax = this.#ahead.pieceBytes(messageBytesPerPull);
    const messages = await this.#account.readMessages(this.#mailboxId, uids, bytesMax);
    const summaries = this.#plan.needsSummary
      ? await this.#summariesOf(uids.subarray(0, messages.length))
      : undefined;
    const values: ContentValues[] = [];
    for (const [index, message] of messages.entries()) {
      const { bytes, size } = message;
      if (bytes === undefined || (summaries !== undefined && summaries[index]?.summary === undefined)) {
        values.push('gone');
      } else if (this.#allWhole) {
        values.push(this.#plan.content.map(() => wholeValue(bytes, size, !message.isNulFree)));
      } else {
        const parts = this.#parts(message, summaries?.[index]);
        values.push(await contentValues(parts, this.#plan.content));
      }
    }
    return { values, summaries };
  }

  /** Headers out of the summaries, many at once; of messages whose summary has none they are read. */
  async #pullHeaders(targets: Targets, row: number): Promise<ContentPiece> {
    const uids = targets.columns.uids.subarray(row, row + messagesPerPull);
    const summaries = await this.#account.readSummaries(
      this.#mailboxId,
      uids,
      this.#ahead.pieceBytes(summaryBytesPerPull),
    );
    const values: ContentValues[] = [];
    const missing: number[] = [];
    for (const [index, summary] of summaries.entries()) {
      const size = targets.columns.sizes[row + index]!;
      const kept = keptHeaderValues(summary, size, this.#plan.content);
      if (kept === undefined) missing.push(index);
      values.push(kept ?? 'gone');
    }
    for (let at = 0; at < missing.length; at += partialMessagesPerPull) {
      const chunk = missing.slice(at, at + partialMessagesPerPull);
      const given = chunk.map((index) => uids[index]!);
      const sizes = chunk.map((index) => targets.columns.sizes[row + index]!);
      const small = await this.#smallMessages(Uint32Array.from(given), Uint32Array.from(sizes));
      const read = chunk.map((index, place) => {
        const uid = given[place]! as Uid;
        const message = small.get(uid) ?? unread(uid, sizes[place]!);
        const parts = this.#parts(message, summaries[index]);
        return contentValues(parts, this.#plan.content);
      });
      for (const [place, found] of (await Promise.all(read)).entries()) values[chunk[place]!] = found;
    }
    return { values, summaries };
  }

  /** Only parts are asked for: their ranges are read, those of some messages at the same time. */
  async #pullParts(targets: Targets, row: number): Promise<ContentPiece> {
    const uids = targets.columns.uids.subarray(row, row + this.#partMessages(targets, row));
    const [summaries, small] = await Promise.all([
      this.#plan.needsSummary ? this.#summariesOf(uids) : undefined,
      this.#smallMessages(uids, targets.columns.sizes.subarray(row, row + uids.length)),
    ]);
    const pulls: Promise<ContentValues>[] = [];
    for (let index = 0; index < uids.length; index++) {
      const summary = summaries?.[index];
      if (summaries !== undefined && summary?.summary === undefined) {
        pulls.push(Promise.resolve('gone'));
        continue;
      }
      const uid = uids[index]! as Uid;
      const message = small.get(uid) ?? unread(uid, targets.columns.sizes[row + index]!);
      pulls.push(contentValues(this.#parts(message, summary), this.#plan.content));
    }
    return { values: await Promise.all(pulls), summaries };
  }

  /** How many messages' parts are worked on together: what is decoded is in memory whole. */
  #partMessages(targets: Targets, row: number): number {
    if (!this.#ahead.allowed) return 1;
    if (!this.#plan.decodes) return partialMessagesPerPull;
    const { sizes } = targets.columns;
    let count = 1;
    let bytes = sizes[row]!;
    while (count < partialMessagesPerPull && row + count < targets.count) {
      bytes += sizes[row + count]!;
      if (bytes > decodedBytesPerPull) break;
      count++;
    }
    return count;
  }

  async #smallMessages(uids: Uint32Array, sizes: Uint32Array): Promise<Map<Uid, MessageBytes>> {
    const found = new Map<Uid, MessageBytes>();
    const small = uids.filter((_, index) => sizes[index]! <= smallMessageBytes);
    for (let at = 0; at < small.length; ) {
      const wanted = small.subarray(at);
      const messages = await this.#account.readMessages(this.#mailboxId, wanted, messageBytesPerPull);
      for (const message of messages) if (message.bytes !== undefined) found.set(message.uid, message);
      at += messages.length;
    }
    return found;
  }

  /** One for each UID. */
  async #summariesOf(uids: Uint32Array): Promise<MessageSummary[]> {
    const summaries = await this.#account.readSummaries(
      this.#mailboxId,
      uids,
      this.#ahead.pieceBytes(summaryBytesPerPull),
    );
    while (summaries.length < uids.length) {
      const more = await this.#account.readSummaries(
        this.#mailboxId,
        uids.subarray(summaries.length),
        summaryBytesPerPull,
      );
      summaries.push(...more);
    }
    return summaries;
  }

  #parts({ uid, size, bytes, isNulFree }: MessageBytes, told: MessageSummary | undefined): MessageParts {
    return new MessageParts({
      account: this.#account,
      mailboxId: this.#mailboxId,
      clock: this.#clock,
      uid,
      size,
      bytes: bytes?.length === size ? asBuffer(bytes) : undefined,
      isNulFree: isNulFree || told?.isNulFree === true,
      summary: told?.summary,
    });
  }
}

/** Of which ranges will be read. */
function unread(uid: Uid, size: number): MessageBytes {
  return { uid, size, bytes: undefined, isNulFree: false };
}

/** The most that a FETCH of these messages holds: a piece that is written and what is ahead of it. */
export function bytesAhead(plan: FetchPlan, { columns, count }: Targets): number {
  if (plan.fields !== undefined || plan.content.length === 0) {
    const isPulled = plan.fields !== undefined || plan.needsSummary;
    return isPulled ? Math.min(2 * summaryBytesPerPull, count * summaryBytes) : 0;
  }
  const most = areAllWhole(plan.content) ? wholeBytesAheadMax : bytesAheadMax;
  let bytes = 0;
  for (let row = 0; row < count && bytes < most; row++) bytes += columns.sizes[row]!;
  return Math.min(most, 2 * plan.content.length * bytes);
}

/** A piece pulled ahead may fail before it is awaited, or be dropped with the FETCH. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
