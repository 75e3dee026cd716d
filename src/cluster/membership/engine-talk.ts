// What one node has under way at the engine: at most one read, and one commit of each kind; and how far what it knows
// may be trusted.
//
// Invariant: after a commit that was refused, or whose outcome is not known, nothing is committed before the answer to a
// read that was sent after it. Failures are followed by a pause, so that an engine in trouble is not besieged. The rows do
// not depend on it: each commit names the bytes it was decided on, and finds them, however late it comes, or is refused.
// But without it nodes would send commits that cannot succeed to an engine in trouble, and after its absence they would
// come back later than others are ready to wait for them.

import type { Batch } from '../../storage/engine.ts';
import type { ClusterChange } from './cluster-change.ts';
import type { MemberTimes } from './member-times.ts';

/** What a commit is about. */
export type Errand = 'row' | 'handover' | 'control';

export type CommitOutcome = 'committed' | 'conflict' | 'fenced' | 'unknown';

export type EngineAction =
  | { readonly type: 'readRows'; readonly id: number; readonly withFences: boolean }
  | { readonly type: 'commit'; readonly id: number; readonly batch: Batch };

interface Sent {
  readonly errand: Errand;
  readonly sentAt: number;
  readonly change: ClusterChange;
}

/** Signals come in bursts; so many milliseconds of them are answered by one read. */
const readGapMs = 10;
/** After a failure. */
const retryMs = 200;

const never = Number.NEGATIVE_INFINITY;

export class EngineTalk {
  readonly #times: MemberTimes;
  readonly #sent = new Map<number, Sent>();
  #reading: { readonly id: number; readonly sentAt: number } | undefined;
  /** A commit was confirmed after the last read was sent: what that shows may be older. */
  #isOvertaken = false;
  #lastId = 0;
  #inDoubt = false;
  /** Reads up to this one were sent before what is in doubt. */
  #doubtUpTo = 0;
  #failures = 0;
  /** No commit before this. */
  #pauseUntil = never;
  #readWanted = true;
  #fencesWanted = true;
  #readFailedAt = never;
  #readSentAt = never;
  #readAt = never;
  #readBefore = never;

  constructor(times: MemberTimes) {
    this.#times = times;
  }

  /** When the last read that was answered was sent; -Infinity before the first. */
  get readAt(): number {
    return this.#readAt;
  }

  /** The same of the one before it. */
  get readBefore(): number {
    return this.#readBefore;
  }

  /** The last read that was answered shows all that was known when its answer came. */
  get isReadWhole(): boolean {
    return !this.#isOvertaken;
  }

  /** A commit of this kind may be sent. */
  isFree(errand: Errand, now: number): boolean {
    if (this.#inDoubt || now < this.#pauseUntil) return false;
    for (const sent of this.#sent.values()) if (sent.errand === errand) return false;
    return true;
  }

  commit(
    errand: Errand,
    change: ClusterChange,
    { now, silent }: { readonly now: number; readonly silent?: boolean },
  ): EngineAction {
    const id = ++this.#lastId;
    this.#sent.set(id, { errand, sentAt: now, change });
    return { type: 'commit', id, batch: change.batch({ silent: silent === true }) };
  }

  /** What was committed; undefined when nothing was, or the answer is too late to matter. */
  takeOutcome(id: number, outcome: CommitOutcome, now: number): ClusterChange | undefined {
    const sent = this.#sent.get(id);
    if (sent === undefined) return undefined;
    this.#sent.delete(id);
    if (outcome === 'committed') {
      this.#failures = 0;
      this.#isOvertaken = true;
      return sent.change;
    }
    // One conflict is everyday business: somebody was faster.
    if (++this.#failures > 1 || outcome === 'unknown') this.#pauseUntil = now + retryMs;
    this.doubt(outcome !== 'unknown');
    return undefined;
  }

  /** What is known may be old. */
  doubt(withFences: boolean): void {
    this.#inDoubt = true;
    this.#doubtUpTo = this.#lastId;
    this.#readWanted = true;
    if (withFences) this.#fencesWanted = true;
  }

  wantRead(): void {
    this.#readWanted = true;
  }

  /** The read to send now, if one is due. */
  read(now: number): EngineAction | undefined {
    if (this.#reading !== undefined || now < this.#readDueAt()) return undefined;
    const id = ++this.#lastId;
    this.#reading = { id, sentAt: now };
    this.#readSentAt = now;
    this.#isOvertaken = false;
    const withFences = this.#fencesWanted;
    this.#readWanted = false;
    this.#fencesWanted = false;
    return { type: 'readRows', id, withFences };
  }

  /** False when the answer is to a read that was given up. */
  takeRead(id: number): boolean {
    if (this.#reading?.id !== id) return false;
    this.#readBefore = this.#readAt;
    this.#readAt = this.#reading.sentAt;
    this.#reading = undefined;
    if (id > this.#doubtUpTo) this.#inDoubt = false;
    return true;
  }

  takeReadFailure(id: number, now: number): void {
    if (this.#reading?.id === id) this.#loseRead(now);
  }

  /** Gives up what the engine has not answered in time. */
  expire(now: number): void {
    const before = now - this.#times.answerMs;
    for (const [id, { sentAt }] of this.#sent) if (sentAt <= before) this.takeOutcome(id, 'unknown', now);
    if (this.#reading !== undefined && this.#reading.sentAt <= before) this.#loseRead(now);
  }

  /** When `read` or `expire` has something to do, or a pause is over. */
  wakeAt(now: number): number {
    let at = this.#reading === undefined ? this.#readDueAt() : this.#reading.sentAt + this.#times.answerMs;
    for (const { sentAt } of this.#sent.values()) at = Math.min(at, sentAt + this.#times.answerMs);
    return this.#pauseUntil > now ? Math.min(at, this.#pauseUntil) : at;
  }

  #loseRead(now: number): void {
    this.#reading = undefined;
    this.#readFailedAt = now;
    // It may have been asked for with fences, and for a reason.
    this.#fencesWanted = true;
  }

  #readDueAt(): number {
    const wanted = this.#readSentAt + (this.#readWanted ? readGapMs : this.#times.pollMs);
    return Math.max(wanted, this.#readFailedAt + retryMs);
  }
}
