// Builds an account's search index in the background: takes the emails that came since, makes segments of them, and puts
// small segments together, so that there are few. Each step is one commit by the account's writer, segment and directory
// together; a crash loses the step that was under way and nothing else, as does an index that is begun anew meanwhile.
// Invariant: at most one run an account; emails are indexed in the order of their ids. A message that cannot be read is
// passed over: searches look at its bytes, and say what is wrong with them.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Slicer } from '../../base/slicer.ts';
import { headerFields } from '../../mail/header.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { Bytes, Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { pageBytesMax } from '../account-limits.ts';
import type { BackgroundPace } from '../background-pace.ts';
import { internalMutation } from '../mutations/mutation.ts';
import { type ReaderContext, readEmail } from '../reading/message-reader.ts';
import { numberBehind } from '../records/account-keys.ts';
import type { AccountRecord } from '../records/account-record.ts';
import { decodeEmail, decodeSummaryRecord } from '../records/email-record.ts';
import { summaryHeaderBlock, summaryStructure } from '../summary.ts';
import type { AccountWriter } from '../writing/account-writer.ts';
import { type PackedSegment, SegmentBuilder } from './segment-builder.ts';
import { packDirectory, type SegmentDirectory, type SegmentInfo } from './segment-directory.ts';
import { lostShareMax, SegmentLosses } from './segment-losses.ts';
import {
  chunksSection,
  headersSection,
  positionsSection,
  type SegmentReader,
  termsSection,
} from './segment-reader.ts';

/** Emails looked at per read. */
const pageEmails = 64;
/** So many neighbouring segments of one size class are put together. */
const mergedSegments = 8;
/** Size classes: below each number of messages. Larger segments are left as they are. */
const sizeClasses = [512, 4_096] as const;
/** Larger ones would take too much memory while they are put together. */
const mergedBytesMax = 16 * 1024 * 1024;

/** The index was begun anew meanwhile, by an administrator or by store check: what was made for it has no place. */
class IndexReset extends Fault {
  constructor() {
    super('the search index was reset', { temporary: true });
  }
}

export interface IndexBuilderOptions extends ReaderContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly pace: BackgroundPace;
  readonly segments: SegmentReader;
  readonly accountId: AccountId;
  readonly writer: () => AccountWriter;
  readonly indexMessagesMin: number;
}

export class IndexBuilder {
  readonly #options: IndexBuilderOptions;
  readonly #losses = new SegmentLosses();
  /** The last of the commits: each is made for the directory that the one before it left. */
  #commits: Promise<void> = Promise.resolve();

  constructor(options: IndexBuilderOptions) {
    this.#options = options;
  }

  /**
   * Until fewer messages wait than are worth a segment, no segment has lost too many and none is damaged. Ends early when the account is
   * closed.
   */
  async run(): Promise<void> {
    const { writer, pace } = this.#options;
    while (!writer().closed) {
      const work = await this.#nextWork();
      if (work === undefined) return;
      try {
        await pace.inTurn(work);
      } catch (error) {
        // Goes on with the index that is there now.
        if (!(error instanceof IndexReset)) throw error;
      }
    }
  }

  async #nextWork(): Promise<(() => Promise<void>) | undefined> {
    const { writer, segments, indexMessagesMin } = this.#options;
    const { account } = await writer().open();
    const lastEmailId = account.nextEmailId - 1;
    const directory = await segments.directory();
    if (segments.hasSuspects) return () => this.#lookAtSuspects();
    if (lastEmailId - directory.indexedThrough >= indexMessagesMin) return () => this.#step(lastEmailId);
    const worn = this.#losses.due(directory.segments, removedEmails(account));
    return worn && (() => this.#lookAt(worn));
  }

  /** Throws the index away, durably: the next run builds it again. What is being made for the old one is of no use any more. */
  beginAnew(): Promise<void> {
    return this.#alone(async () => {
      const directory = await this.#options.segments.directory();
      await this.#commit(directory, {
        indexedThrough: 0,
        packed: undefined,
        removed: await this.#removed(),
        replaced: directory.segments,
      });
    });
  }

  /** A segment may have lost too many messages since it was looked at. */
  hasLosses(account: AccountRecord): boolean {
    const segments = this.#options.segments.knownDirectory?.segments ?? [];
    return this.#losses.due(segments, removedEmails(account)) !== undefined;
  }

  /** Writes a segment again when too many of its messages are gone: their texts must not stay. */
  async #lookAt(segment: SegmentInfo): Promise<void> {
    if (this.#options.writer().closed) return;
    const slicer = this.#options.pace.slicer();
    // Before the look: what goes meanwhile counts as gone since.
    const removed = await this.#removed();
    const emailIds = (await this.#options.segments.columns([segment], 'emailIds'))?.[0];
    const alive = await this.#alive(emailIds ?? new Float64Array(), slicer);
    const lost = emailIds === undefined ? 0 : segment.messages - alive.size;
    const isWorn = lost > segment.messages * lostShareMax;
    // When it cannot be written again, not until as many are gone once more.
    this.#losses.looked(segment, isWorn ? 0 : lost, removed);
    if (isWorn) await this.#replace([segment], slicer);
  }

  /** Begins the index anew when a segment cannot be read: its messages would be searched slowly for ever. */
  async #lookAtSuspects(): Promise<void> {
    const { log, pace, segments } = this.#options;
    const directory = await segments.directory();
    const slicer = pace.slicer();
    for (const segment of segments.takeSuspects()) {
      // It may only have been put together with others just then.
      if (!directory.segments.includes(segment)) continue;
      if ((await segments.parts(segment, slicer)) !== undefined) continue;
      // It went while it was looked at.
      if (segments.knownDirectory !== directory) return;
      const { accountId } = this.#options;
      log.warn({ accountId, segment: segment.number }, 'the search index is damaged and is built again');
      await this.beginAnew();
      return;
    }
  }

  async #step(lastEmailId: number): Promise<void> {
    if (this.#options.writer().closed) return;
    const slicer = this.#options.pace.slicer();
    const directory = await this.#options.segments.directory();
    // Done while this waited for its turn.
    if (directory.indexedThrough >= lastEmailId) return;
    const removed = await this.#removed();
    const builder = new SegmentBuilder();
    const indexedThrough = await this.#gather(builder, { directory, lastEmailId, slicer });
    if (this.#options.writer().closed) return;
    const packed = builder.isEmpty ? undefined : await builder.pack(slicer);
    await this.#alone(() => this.#commit(directory, { indexedThrough, packed, removed, replaced: [] }));
    await this.#merge(slicer);
  }

  /** Fills the builder; up to which email. */
  async #gather(
    builder: SegmentBuilder,
    given: { directory: SegmentDirectory; lastEmailId: number; slicer: Slicer },
  ): Promise<number> {
    const { engine, keys, writer } = this.#options;
    let through = given.directory.indexedThrough;
    while (!builder.isFull && !writer().closed) {
      const { start, end, prefixLength } = keys.emailsFrom(through + 1);
      const page = await engine.page({ start, end }, { entriesMax: pageEmails, bytesMax: pageBytesMax });
      const emailIds = page.entries.map(({ key }) => numberBehind(key, prefixLength));
      const summaries = await engine.getMany(emailIds.map((emailId) => keys.summary(emailId)));
      for (const [index, emailId] of emailIds.entries()) {
        if (emailId > given.lastEmailId || builder.isFull || writer().closed) return through;
        await this.#add(
          builder,
          { emailId, row: page.entries[index]!, summary: summaries[index] },
          given.slicer,
        );
        through = emailId;
      }
      if (page.next === undefined) return given.lastEmailId;
    }
    return through;
  }

  async #add(
    builder: SegmentBuilder,
    email: { readonly emailId: number; readonly row: Entry; readonly summary: Bytes | undefined },
    slicer: Slicer,
  ): Promise<void> {
    const { emailId } = email;
    if (email.summary === undefined) return;
    try {
      const record = unlessDamaged(() => decodeSummaryRecord(email.summary!));
      const size = unlessDamaged(() => decodeEmail(email.row.value))?.size;
      if (record === undefined || size === undefined) return;
      const bytes = await readEmail(this.#options, emailId, { offset: 0, length: size });
      if (bytes === undefined) return;
      const block = summaryHeaderBlock(record.summary) ?? headerFields(bytes);
      const structure = summaryStructure(record.summary);
      const { threadId } = record;
      await builder.addMessage({ emailId, threadId, bytes, block }, { bytes, structure, slicer });
    } catch (error) {
      if (!(error instanceof Fault) || error.temporary) throw error;
      this.#options.log.warn({ err: error, emailId }, 'a message could not be indexed');
    }
    if (slicer.due()) await slicer.rest();
  }

  /** Puts the last neighbours of one size class together, when there are enough of them. */
  async #merge(slicer: Slicer): Promise<void> {
    for (;;) {
      const directory = await this.#options.segments.directory();
      const run = mergeable(directory.segments);
      if (run === undefined || this.#options.writer().closed) return;
      if (!(await this.#replace(run, slicer))) return;
    }
  }

  /** One segment in the place of neighbours, or of one, without the messages that are gone. False: they cannot be read. */
  async #replace(run: readonly SegmentInfo[], slicer: Slicer): Promise<boolean> {
    const directory = await this.#options.segments.directory();
    const removed = await this.#removed();
    if (!run.every((segment) => directory.segments.includes(segment))) return false;
    const builder = new SegmentBuilder();
    for (const segment of run) {
      const parts = await this.#options.segments.parts(segment, slicer);
      if (parts === undefined) return false;
      const alive = await this.#alive(parts.headers.emailIds, slicer);
      await builder.addSegment(parts, alive, slicer);
      if (this.#options.writer().closed) return false;
    }
    const packed = builder.isEmpty ? undefined : await builder.pack(slicer);
    const { indexedThrough } = directory;
    await this.#alone(() => this.#commit(directory, { indexedThrough, packed, removed, replaced: run }));
    return true;
  }

  async #removed(): Promise<number> {
    return removedEmails((await this.#options.writer().open()).account);
  }

  /** Those emails that are still there. */
  async #alive(emailIds: Float64Array, slicer: Slicer): Promise<ReadonlySet<number>> {
    const alive = new Set<number>();
    for (let start = 0; start < emailIds.length; start += pageEmails) {
      const ids = [...emailIds.subarray(start, start + pageEmails)];
      const rows = await this.#options.engine.getMany(ids.map((id) => this.#options.keys.email(id)));
      for (const [index, id] of ids.entries()) if (rows[index] !== undefined) alive.add(id);
      if (slicer.due()) await slicer.rest();
    }
    return alive;
  }

  #alone(commit: () => Promise<void>): Promise<void> {
    const committed = this.#commits.then(commit);
    // Whoever waits for it hears why it failed.
    this.#commits = committed.catch(() => {});
    return committed;
  }

  async #commit(
    before: SegmentDirectory,
    change: {
      readonly indexedThrough: number;
      readonly packed: PackedSegment | undefined;
      /** Emails of the account that were gone before its messages were looked at. */
      readonly removed: number;
      readonly replaced: readonly SegmentInfo[];
    },
  ): Promise<void> {
    const { indexedThrough, packed, replaced } = change;
    const { keys, segments, writer } = this.#options;
    const number = before.nextNumber;
    const kept = before.segments.filter((segment) => !replaced.includes(segment));
    const added = packed && {
      number,
      firstEmailId: packed.firstEmailId,
      lastEmailId: packed.lastEmailId,
      messages: packed.messages,
      bytes: packedBytes(packed),
    };
    const after: SegmentDirectory = {
      indexedThrough,
      nextNumber: number + 1,
      segments: (added === undefined ? kept : [...kept, added]).sort(
        (a, b) => a.firstEmailId - b.firstEmailId,
      ),
    };
    const puts: Entry[] = [{ key: keys.searchDirectory(), value: packDirectory(after) }];
    for (const [section, value] of packed === undefined ? [] : packedSections(packed))
      puts.push({ key: keys.searchSegment(number, section), value });
    const deleteRanges: { start: Bytes; end: Bytes }[] = replaced.map((segment) => ({
      start: keys.searchSegment(segment.number, 0),
      end: keys.searchSegment(segment.number + 1, 0),
    }));
    // Whatever is there is of an index before: of an older version, or one whose directory is lost.
    if (before.indexedThrough === 0)
      deleteRanges.push({ start: keys.searchSegment(1, 0), end: keys.rows('i').end });
    const bytes = puts.reduce((sum, { value }) => sum + value.length, 0);
    const mutation = internalMutation('index', (draft) => {
      if (segments.knownDirectory !== before) throw new IndexReset();
      draft.version++;
      draft.needsRoom = true;
      draft.puts.push(...puts);
      draft.deleteRanges.push(...deleteRanges);
    });
    try {
      await writer().submit({ ...mutation, bytes });
    } catch (error) {
      // It may have been applied all the same; then the segments that are known here are not there any more.
      segments.replace(undefined);
      throw error;
    }
    segments.replace(after);
    for (const segment of replaced) segments.drop(segment);
    this.#losses.keepOnly(after.segments);
    if (added === undefined) return;
    this.#losses.looked(added, 0, change.removed);
    segments.keepHeaders(added, packed!.headers);
  }
}

/** Its rows. */
function packedSections({
  headers,
  terms,
  positions,
  chunks,
}: PackedSegment): [section: number, value: Buffer][] {
  return [
    [termsSection, terms],
    [positionsSection, positions],
    ...headers.map((value, index): [number, Buffer] => [headersSection + index, value]),
    ...chunks.map((value, index): [number, Buffer] => [chunksSection + index, value]),
  ];
}

function packedBytes(packed: PackedSegment): number {
  return packedSections(packed).reduce((sum, [, value]) => sum + value.length, 0);
}

/** How many emails the account had that are not there any more. */
function removedEmails({ nextEmailId, messagesUsed }: AccountRecord): number {
  return nextEmailId - 1 - messagesUsed;
}

/** The last run of neighbours that is long enough; the smallest class first. */
function mergeable(segments: readonly SegmentInfo[]): readonly SegmentInfo[] | undefined {
  for (const [index, limit] of sizeClasses.entries()) {
    const below = index === 0 ? 0 : sizeClasses[index - 1]!;
    const isOfClass = ({ messages }: SegmentInfo): boolean => messages >= below && messages < limit;
    for (let end = segments.length; end > 0; end--) {
      let start = end;
      while (start > 0 && end - start < mergedSegments && isOfClass(segments[start - 1]!)) start--;
      if (end - start < mergedSegments) continue;
      const run = segments.slice(start, end);
      if (run.reduce((sum, { bytes }) => sum + bytes, 0) <= mergedBytesMax) return run;
    }
  }
  return undefined;
}
