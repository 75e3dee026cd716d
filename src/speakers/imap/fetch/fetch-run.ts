// Carries out one FETCH: pulls columns, summaries and bytes from the account in bounded pieces and writes the answers.
// Invariants: what is in memory is bounded by the pieces, whatever the mailbox; the next piece is on its way while
// one is written; no turn of the event loop lasts longer than a slice. Messages that are gone are passed over and
// remembered in `missing`. Account refusals and faults pass through; the lines written until then stand.

import type { HeaderFieldsChoice, MessageSummary } from '../../../account/port-reads.ts';
import { Slicer } from '../../../base/slicer.ts';
import { asBuffer } from '../../../mail/bytes.ts';
import type { Uid } from '../../../mail/ids.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { transferDecoder } from '../../../mail/transfer-encoding.ts';
import type { FetchCommand, FetchItem } from '../../../wire/imap/message-command.ts';
import { withoutNul } from '../../../wire/imap/nul-octets.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { ReadAhead } from '../../kit/read-ahead.ts';
import { flagsResponses } from '../flag-text.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { ContentAhead } from './content-ahead.ts';
import type { ContentValue } from './content-values.ts';
import { type FetchPlan, fetchPlan } from './fetch-plan.ts';
import { ItemWriter } from './item-writer.ts';
import { markSeen } from './mark-seen.ts';
import {
  bytesAhead,
  type ContentPiece,
  handled,
  MessagePuller,
  messageBytesPerPull,
} from './message-puller.ts';
import { ResponseWriter } from './response-writer.ts';
import { type Targets, targetsOf } from './targets.ts';

/** Messages whose columns are pulled at once: 44 bytes each. */
const windowMessages = 16_384;
/** Rows written between two looks at the clock and the connection. */
const rowsPerLook = 256;
/** What a short answer takes for each message. */
const bytesPerMessage = 128;

const literalOpen = Buffer.from('{');
const literal8Open = Buffer.from('~{');
const literalClose = Buffer.from('}\r\n');

export class FetchRun {
  /** Some of the messages are gone. */
  missing = false;
  /** Some part could not be decoded. */
  unknownEncoding = false;
  readonly #session: ImapSession;
  readonly #command: FetchCommand;
  readonly #plan: FetchPlan;
  readonly #writer: ResponseWriter;
  readonly #items: ItemWriter;
  readonly #slicer: Slicer;
  readonly #puller: MessagePuller;
  readonly #ahead: ReadAhead;

  constructor(session: ImapSession, command: FetchCommand, messages: number) {
    this.#session = session;
    this.#command = command;
    this.#plan = fetchPlan(command, session.uidOnly);
    this.#writer = new ResponseWriter(session.connection, messages * bytesPerMessage);
    this.#items = new ItemWriter(session, this.#writer);
    this.#slicer = new Slicer(session.environment.clock);
    this.#ahead = new ReadAhead(session.environment.answersAhead);
    this.#puller = new MessagePuller(session, this.#plan, this.#ahead);
  }

  /** `uids` and `places` in parallel, ascending. */
  async run(uids: Uint32Array, places: Uint32Array): Promise<void> {
    const { account, mailboxId } = viewOf(this.#session);
    try {
      for (let at = 0; at < uids.length; at += windowMessages) {
        const window = {
          uids: uids.subarray(at, at + windowMessages),
          places: places.subarray(at, at + windowMessages),
        };
        const columns = await account.columns(mailboxId, window.uids);
        if (columns.uids.length < window.uids.length) this.missing = true;
        if (this.#plan.hasFlags) this.#tellKeywords(columns.keywords);
        const targets = targetsOf(columns, window, this.#command.changedSince);
        this.#ahead.begin(bytesAhead(this.#plan, targets));
        if (this.#plan.fields !== undefined) await this.#writeFields(targets, this.#plan.fields);
        else if (this.#plan.content.length > 0) await this.#writeContents(targets);
        else if (this.#plan.needsSummary) await this.#writeSummaries(targets);
        else await this.#writeRows(targets);
        if (this.#session.qresync) this.#noteModSeqs(targets);
      }
    } finally {
      this.#writer.flush();
      await this.#ahead.end(this.#session.connection);
    }
  }

  /** The next piece, on its way while one is written; without room for both it is asked for when it is wanted. */
  #soon<T>(pull: () => Promise<T>): () => Promise<T> {
    if (!this.#ahead.allowed) return pull;
    const pulling = pull();
    return () => pulling;
  }

  /** What the client may take for the mailbox's state when the command is done. */
  #noteModSeqs(targets: Targets): void {
    if (!this.#plan.hasModSeq && !this.#plan.setsSeen) return;
    const session = this.#session;
    for (const modSeq of targets.columns.modSeqs)
      if (modSeq > session.toldModSeq) session.toldModSeq = modSeq;
  }

  async #writeRows(targets: Targets): Promise<void> {
    for (let row = 0; row < targets.count; row++) {
      this.#writeLine(targets, row, undefined);
      if (row % rowsPerLook === rowsPerLook - 1 && this.#mustPause()) await this.#pause();
    }
  }

  async #writeSummaries(targets: Targets): Promise<void> {
    let next = this.#soon(() => this.#puller.summaries(targets, 0));
    for (let row = 0; row < targets.count; ) {
      const summaries = await next();
      const from = row;
      next = this.#soon(() => this.#puller.summaries(targets, from + summaries.length));
      for (; row < from + summaries.length; row++) {
        const summary = summaries[row - from]!;
        if (summary.summary === undefined) this.missing = true;
        else this.#writeLine(targets, row, summary);
      }
      if (this.#mustPause()) await this.#pause();
    }
  }

  #writeLine(targets: Targets, row: number, summary: MessageSummary | undefined): void {
    this.#items.open(targets, row);
    for (const planned of this.#plan.items) this.#items.item(planned, targets, row, summary);
    this.#items.close();
  }

  async #writeFields(targets: Targets, choice: HeaderFieldsChoice): Promise<void> {
    let next = this.#soon(() => this.#puller.headerFields(targets, 0, choice));
    for (let row = 0; row < targets.count; ) {
      const fields = await next();
      const end = row + fields.answered;
      next = this.#soon(() => this.#puller.headerFields(targets, end, choice));
      const bytes = asBuffer(withoutNul(fields.bytes));
      for (let place = 0, start = 0; row < end; row++) {
        if (fields.uids[place] !== targets.columns.uids[row]) {
          this.missing = true;
          continue;
        }
        const valueEnd = fields.ends[place++]!;
        this.#writeFieldsLine(targets, row, { bytes, start, end: valueEnd });
        start = valueEnd;
      }
      if (this.#mustPause()) await this.#pause();
    }
  }

  #writeFieldsLine(
    targets: Targets,
    row: number,
    { bytes, start, end }: { readonly bytes: Buffer; readonly start: number; readonly end: number },
  ): void {
    const writer = this.#writer;
    this.#items.open(targets, row);
    for (const planned of this.#plan.items) {
      if (!isContent(planned.item.type)) this.#items.item(planned, targets, row, undefined);
      else {
        writer.label(planned.label);
        writer.label(literalOpen);
        writer.number(end - start);
        writer.label(literalClose);
        writer.range(bytes, start, end);
      }
    }
    this.#items.close();
  }

  async #writeContents(targets: Targets): Promise<void> {
    const pieces = new ContentAhead(this.#puller, targets, this.#ahead);
    for (let row = 0; row < targets.count; ) {
      const from = row;
      const piece = await pieces.next(from);
      const seen = await this.#markSeen(targets, from, piece);
      for (; row < from + piece.values.length; row++) {
        const values = piece.values[row - from]!;
        if (values === 'gone') this.missing = true;
        else if (values === 'unknownEncoding') this.unknownEncoding = true;
        else {
          const streaming = this.#writeMessage(targets, row, {
            values,
            summary: piece.summaries?.[row - from],
            seen: seen?.has(targets.columns.uids[row]!) ?? false,
          });
          if (streaming !== undefined) await streaming;
        }
        if (this.#mustPause()) await this.#pause();
      }
    }
  }

  /** A promise only when a value has to be streamed. */
  #writeMessage(
    targets: Targets,
    row: number,
    message: {
      readonly values: readonly ContentValue[];
      readonly summary: MessageSummary | undefined;
      readonly seen: boolean;
    },
  ): Promise<void> | undefined {
    const { values } = message;
    if (values.some((value) => value !== undefined && value.restStart < value.end)) {
      return this.#streamMessage(targets, row, message);
    }
    this.#items.open(targets, row);
    let place = 0;
    for (const planned of this.#plan.items) {
      if (!isContent(planned.item.type)) this.#items.item(planned, targets, row, message.summary);
      else {
        this.#writer.label(planned.label);
        this.#writeValueStart(planned.item.type, values[place++]);
      }
    }
    this.#closeMessage(targets, row, message.seen);
    return undefined;
  }

  async #streamMessage(
    targets: Targets,
    row: number,
    message: {
      readonly values: readonly ContentValue[];
      readonly summary: MessageSummary | undefined;
      readonly seen: boolean;
    },
  ): Promise<void> {
    this.#items.open(targets, row);
    let place = 0;
    for (const planned of this.#plan.items) {
      if (!isContent(planned.item.type)) {
        this.#items.item(planned, targets, row, message.summary);
        continue;
      }
      const value = message.values[place++];
      this.#writer.label(planned.label);
      this.#writeValueStart(planned.item.type, value);
      if (value !== undefined) await this.#streamRest(targets.columns.uids[row]!, planned.item.type, value);
    }
    this.#closeMessage(targets, row, message.seen);
  }

  #writeValueStart(type: FetchItem['type'], value: ContentValue): void {
    const writer = this.#writer;
    if (value === undefined) {
      // RFC 3516 section 7: a size is a number, that of a part that is not there too.
      writer.text(type === 'binarySize' ? '0' : 'NIL');
      return;
    }
    if (type === 'binarySize') {
      writer.number(value.total);
      return;
    }
    const { bytes, mayHaveNul, restStart, end } = value;
    // RFC 3516 section 4.3: literal8 only where NUL may come.
    const isLiteral8 = mayHaveNul && type === 'binary' && (restStart < end || asBuffer(bytes).includes(0));
    writer.label(isLiteral8 ? literal8Open : literalOpen);
    writer.number(value.total);
    writer.label(literalClose);
    writer.bytes(mayHaveNul && type === 'section' ? withoutNul(bytes) : bytes);
  }

  #closeMessage(targets: Targets, row: number, seen: boolean): void {
    if (seen) {
      if (!this.#plan.hasFlags) this.#items.extraFlags(targets, row);
      // RFC 7162 3.1: a change of flags is told with its mod-sequence.
      if (this.#session.condstore && !this.#plan.hasModSeq) this.#items.extraModSeq(targets, row);
    }
    this.#items.close();
  }

  /** The rest of a large value. A line is begun: what fails now cuts the connection. */
  async #streamRest(uid: number, type: FetchItem['type'], value: NonNullable<ContentValue>): Promise<void> {
    const { restStart, end, decoded } = value;
    const replacesNul = value.mayHaveNul && type === 'section';
    const decoder = decoded === undefined ? undefined : transferDecoder(decoded.encoding);
    let skip = decoded?.skip ?? 0;
    let left = restStart < end ? value.total - value.bytes.length : 0;
    let next = this.#soon(() => this.#pullRange(uid, restStart, end));
    for (let offset = restStart; left > 0; ) {
      const bytes = await next().catch((error: unknown) => {
        // A refusal (the server is stopping, the account is gone) is nobody's fault.
        const level = isMailError(error) ? 'info' : 'error';
        this.#session.connection.log[level]({ err: error }, 'message could not be read to its end');
        return undefined;
      });
      if (bytes === undefined || bytes.length === 0) this.#cutConnection();
      offset += bytes.length;
      const ended = offset >= end;
      const pieces = [decoder === undefined ? bytes : decoder.push(bytes)];
      if (ended && decoder !== undefined) pieces.push(decoder.end());
      const start = offset;
      next = this.#soon(() => this.#pullRange(uid, start, end));
      for (const piece of pieces) {
        const told = piece.subarray(skip, skip + left);
        skip -= Math.min(skip, piece.length);
        left -= told.length;
        this.#writer.bytes(replacesNul ? withoutNul(told) : told);
      }
      if (ended && left > 0) this.#cutConnection();
      if (this.#mustPause()) await this.#pause();
    }
  }

  #pullRange(uid: number, start: number, end: number): Promise<Uint8Array | undefined> {
    const length = Math.min(this.#ahead.pieceBytes(messageBytesPerPull), end - start);
    if (length <= 0) return Promise.resolve(undefined);
    const { account, mailboxId } = viewOf(this.#session);
    return handled(account.readRange(mailboxId, uid as Uid, { offset: start, length }));
  }

  #cutConnection(): never {
    this.#session.connection.destroy();
    throw new ConnectionClosed();
  }

  /** The UIDs of the piece whose flags are news. */
  async #markSeen(
    targets: Targets,
    from: number,
    piece: ContentPiece,
  ): Promise<ReadonlySet<number> | undefined> {
    const view = viewOf(this.#session);
    if (!this.#plan.setsSeen || view.readOnly) return undefined;
    const to = from + piece.values.length;
    const gone = (row: number) => piece.values[row - from] === 'gone';
    const seen = await markSeen(this.#session, targets, { from, to, gone });
    // Flags of others' making are told with ours.
    if (seen !== undefined) this.#tellKeywords(seen.keywords);
    return seen?.uids;
  }

  /** Names come before they are used: others may have changed them. */
  #tellKeywords(keywords: readonly string[]): void {
    const view = viewOf(this.#session);
    if (!view.learns(keywords)) return;
    this.#items.setKeywords(keywords);
    this.#writer.text(flagsResponses(view));
  }

  #mustPause(): boolean {
    return this.#session.connection.congested || this.#slicer.due();
  }

  async #pause(): Promise<void> {
    const { connection } = this.#session;
    if (connection.congested) await connection.drain();
    if (this.#slicer.due()) await this.#slicer.rest();
  }
}

function isContent(type: string): boolean {
  return type === 'section' || type === 'binary' || type === 'binarySize';
}
