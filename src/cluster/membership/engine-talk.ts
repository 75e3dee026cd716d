// What one node has under way at the engine: one read and one commit of each kind; of a read and of a heartbeat a second one
// when the first is overdue, because a connection that hangs is not a dead node. And how far what it knows may be trusted.
//
// Invariants: of two heartbeats at a time at most one can succeed, for both need the row as it was; it ends the other one. A read
// that another one overtook is not taken for all there is, nor its time for that of the last one.
// After a commit that was refused, or whose outcome is not known, nothing is committed before the answer to a
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
  /** `isApart`: not behind other commits of this node, on another connection if the engine has any. */
  | { readonly type: 'commit'; readonly id: number; readonly batch: Batch; readonly isApart: boolean };

/** `again`: a heartbeat beside one that is overdue. */
export type CommitForm = 'told' | 'heartbeat' | 'again';

interface Sent {
  readonly errand: Errand;
  readonly form: CommitForm;
  readonly sentAt: number;
  readonly change: ClusterChange;
  /** Another attempt at it succeeded: this one cannot. */
  isOver: boolean;
}

interface Reading {
  readonly id: number;
  readonly sentAt: number;
  readonly withFences: boolean;
  /** Since it was sent, a commit was confirmed or another read was answered: what it shows may be older. */
  isOvertaken: boolean;
}

/** Signals come in bursts; so many milliseconds of them are answered by one read. */
const readGapMs = 10;
/** After a failure. */
const retryMs = 200;

const never = Number.NEGATIVE_INFINITY;

export class EngineTalk {
  readonly #times: MemberTimes;
  readonly #sent = new Map<number, Sent>();
  /** In the order in which they were sent. */
  #reading: Reading[] = [];
  #isReadWhole = false;
  /** The last commit that did not go apart was not answered in time, or nobody knows its outcome. */
  #isStuck = false;
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
    return this.#isReadWhole;
  }

  /** A commit of this kind may be sent. */
  isFree(errand: Errand, now: number): boolean {
    if (this.#inDoubt || now < this.#pauseUntil) return false;
    for (const sent of this.#sent.values()) if (sent.errand === errand && !sent.isOver) return false;
    return true;
  }

  /**
   * When the heartbeat under way is to be sent again, apart; Infinity: not now. A node of which nothing else is answered does
   * not live by that for longer than it takes to give one commit up: its accounts are better off elsewhere.
   */
  repeatAt(): number {
    if (this.#inDoubt || this.#isStuck) return Number.POSITIVE_INFINITY;
    let at = Number.POSITIVE_INFINITY;
    for (const { errand, form, sentAt, isOver } of this.#sent.values()) {
      if (errand !== 'row' || isOver) continue;
      if (form !== 'heartbeat') return Number.POSITIVE_INFINITY;
      at = Math.max(sentAt + this.#times.againMs, this.#pauseUntil);
    }
    return at;
  }

  commit(
    errand: Errand,
    change: ClusterChange,
    { now, form }: { readonly now: number; readonly form: CommitForm },
  ): EngineAction {
    const id = ++this.#lastId;
    this.#sent.set(id, { errand, form, sentAt: now, change, isOver: false });
    const batch = change.batch({ silent: form !== 'told' });
    return { type: 'commit', id, batch, isApart: form === 'again' };
  }

  /** What was committed; `failed`: nothing, as far as is known; `ignored`: the answer does not matter any more. */
  takeOutcome(id: number, outcome: CommitOutcome, now: number): ClusterChange | 'failed' | 'ignored' {
    const sent = this.#sent.get(id);
    if (sent === undefined) return 'ignored';
    this.#sent.delete(id);
    if (sent.form !== 'again') this.#isStuck = outcome === 'unknown';
    if (sent.isOver) return 'ignored';
    if (outcome === 'committed') {
      this.#failures = 0;
      for (const reading of this.#reading) reading.isOvertaken = true;
      for (const other of this.#sent.values()) if (other.errand === sent.errand) other.isOver = true;
      return sent.change;
    }
    // One conflict is everyday business: somebody was faster.
    if (++this.#failures > 1 || outcome === 'unknown') this.#pauseUntil = now + retryMs;
    this.doubt(outcome !== 'unknown');
    return 'failed';
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
    if (now < this.#readDueAt()) return undefined;
    const id = ++this.#lastId;
    const withFences = this.#fencesWanted || this.#reading.some((reading) => reading.withFences);
    this.#reading.push({ id, sentAt: now, withFences, isOvertaken: false });
    this.#readSentAt = now;
    this.#readWanted = false;
    this.#fencesWanted = false;
    return { type: 'readRows', id, withFences };
  }

  /** False when the answer is to a read that was given up, or comes after that to a later one. */
  takeRead(id: number): boolean {
    const index = this.#reading.findIndex((reading) => reading.id === id);
    if (index < 0) return false;
    const { sentAt, isOvertaken } = this.#reading[index]!;
    this.#reading = this.#reading.slice(index + 1);
    for (const reading of this.#reading) reading.isOvertaken = true;
    this.#isReadWhole = !isOvertaken;
    this.#readBefore = this.#readAt;
    this.#readAt = sentAt;
    if (id > this.#doubtUpTo) this.#inDoubt = false;
    return true;
  }

  takeReadFailure(id: number, now: number): void {
    if (this.#reading.some((reading) => reading.id === id)) this.#loseRead(id, now);
  }

  /** Gives up what the engine has not answered in time. */
  expire(now: number): void {
    const before = now - this.#times.answerMs;
    for (const [id, { sentAt }] of this.#sent) if (sentAt <= before) this.takeOutcome(id, 'unknown', now);
    for (const { id, sentAt } of this.#reading) if (sentAt <= before) this.#loseRead(id, now);
  }

  /** When `read` or `expire` has something to do, or a pause is over. */
  wakeAt(now: number): number {
    let at = this.#readDueAt();
    for (const { sentAt } of this.#reading) at = Math.min(at, sentAt + this.#times.answerMs);
    for (const { sentAt } of this.#sent.values()) at = Math.min(at, sentAt + this.#times.answerMs);
    return this.#pauseUntil > now ? Math.min(at, this.#pauseUntil) : at;
  }

  #loseRead(id: number, now: number): void {
    this.#reading = this.#reading.filter((reading) => reading.id !== id);
    this.#readFailedAt = now;
    // It may have been asked for with fences, and for a reason.
    this.#fencesWanted = true;
  }

  #readDueAt(): number {
    const retryAt = this.#readFailedAt + retryMs;
    if (this.#reading.length > 1) return Number.POSITIVE_INFINITY;
    if (this.#reading.length === 1) return Math.max(this.#readSentAt + this.#times.againMs, retryAt);
    return Math.max(this.#readSentAt + (this.#readWanted ? readGapMs : this.#times.pollMs), retryAt);
  }
}
