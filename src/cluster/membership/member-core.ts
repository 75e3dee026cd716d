// One node's part in its cluster, as a state machine without clock, network or chance of its own: events go in, actions
// come out. The shell (cluster-member.ts) and the simulator carry the actions out.
//
// Invariant: a shard is served only while this node's lease holds, and the lease is the *older* of two proofs: a
// heartbeat that arrived (others see that we live) and a read of the rows (we see what others decided), each counted
// from when it was sent. A node that can write but not read would otherwise serve shards that were moved away.
// An answer that is lost, late or a refusal leads to a read; nothing is assumed of a commit that was not confirmed.
// A node that is declared dead drops everything and joins again as another incarnation.

import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Entry } from '../../storage/engine.ts';
import type { Occupancy } from './assignment.ts';
import type { ClusterChange, FenceRows } from './cluster-change.ts';
import {
  isSameMember,
  type Member,
  type NodeDescription,
  type NodeLoad,
  takesShards,
} from './cluster-rows.ts';
import { ClusterView } from './cluster-view.ts';
import { type ControllerContext, decide, takeControl } from './controller-core.ts';
import { type CommitForm, type CommitOutcome, EngineTalk, type Errand } from './engine-talk.ts';
import type { MemberAction, MemberEvent } from './member-events.ts';
import { checkTimes, type MemberTimes } from './member-times.ts';
import { Observations } from './observations.ts';
import { OwnRow } from './own-row.ts';
import { ShardHoldings } from './shard-holdings.ts';

export interface MemberCoreOptions {
  readonly description: NodeDescription;
  readonly shardCount: number;
  readonly times: MemberTimes;
  /** Another text each time: a node that comes back is told from the one before by it. */
  newIncarnation(): string;
  /** Whoever starts this process knows that the one before it, of the same name, has ended. */
  readonly predecessorGone?: boolean;
}

const never = Number.NEGATIVE_INFINITY;

export class MemberCore {
  readonly view: ClusterView;
  readonly observations: Observations;
  readonly holdings = new ShardHoldings();
  readonly own: OwnRow;
  /** What the controller balances by. */
  occupancy: Occupancy = 'many';
  readonly #times: MemberTimes;
  readonly #talk: EngineTalk;
  /** No proof from before this counts. */
  #voidBefore = never;
  #fenceRows: FenceRows = new Map();
  #beatAt = never;
  /** The last commit of our own row. */
  #rowCommit = 0;
  #hadLease = false;
  #controlDue = false;
  #wasDisplaced = false;
  #leavingSince: number | undefined;
  #ended = false;
  #handledAt = never;
  #actions: MemberAction[] = [];

  constructor(options: MemberCoreOptions) {
    this.#times = checkTimes(options.times);
    this.#talk = new EngineTalk(this.#times);
    this.view = new ClusterView(options.shardCount);
    this.observations = new Observations(options.times.heartbeatMs);
    this.own = new OwnRow(options.description, {
      newIncarnation: options.newIncarnation,
      predecessorGone: options.predecessorGone === true,
    });
  }

  get self(): Member {
    return this.own.member;
  }

  get isController(): boolean {
    return isSameMember(this.view.controller?.row.holder, this.self);
  }

  /** Shown to others with the next heartbeat. */
  set load(load: NodeLoad) {
    this.own.load = load;
  }

  /** Until when, on the monotonic clock, this node may serve its shards. */
  leaseEndsAt(): number {
    const provedAt = Math.min(this.own.confirmedAt, this.#talk.readAt);
    return provedAt <= this.#voidBefore ? never : provedAt + this.#times.leaseMs - this.#times.marginMs;
  }

  hasLease(now: number): boolean {
    return !this.#ended && now < this.leaseEndsAt() && this.own.standing(this.view) === 'up';
  }

  /** Undefined: not ours, or no longer, or not now. */
  epochOf(shard: ShardId, now: number): Epoch | undefined {
    return this.hasLease(now) ? this.holdings.epochOf(shard, now) : undefined;
  }

  handle(event: MemberEvent, now: number): readonly MemberAction[] {
    this.#actions = [];
    if (this.#ended) return this.#actions;
    this.#handledAt = now;
    this.#noteLapse(now);
    this.#take(event, now);
    this.#talk.expire(now);
    this.#noteGain(now);
    if (now >= this.#patience()[1]!) this.#end('left');
    else if (this.#followOwnRow(now)) {
      this.#followShards(now);
      this.#leave(now);
      this.#handOver(now);
      this.#control(now);
      this.#renew(now);
    }
    const read = this.#ended ? undefined : this.#talk.read(now);
    if (read !== undefined) this.#actions.push(read);
    return this.#actions;
  }

  /** When the next tick has something to do. */
  wakeAt(): number {
    let at = Math.min(this.holdings.expiresAt(), this.#talk.wakeAt(this.#handledAt));
    const isFree = this.#talk.isFree('row', this.#handledAt);
    const beatAt = isFree ? this.#beatAt + this.#times.heartbeatMs : this.#talk.repeatAt();
    // Without a fresh read there is no heartbeat: the answer to the read brings it. Nor does a process that is no member send any.
    const isSilent =
      this.#isStale(Math.max(beatAt, this.#handledAt)) || this.own.standing(this.view) !== 'up';
    if (!isSilent) at = Math.min(at, beatAt);
    for (const patience of this.#patience()) if (patience > this.#handledAt) at = Math.min(at, patience);
    return at;
  }

  #take(event: MemberEvent, now: number): void {
    switch (event.type) {
      case 'tick':
        return;
      case 'signal':
        this.#talk.wantRead();
        return;
      case 'rowsRead':
        this.#takeRows(event, now);
        return;
      case 'readFailed':
        this.#talk.takeReadFailure(event.id, now);
        return;
      case 'commitResult':
        this.#takeResult(event.id, event.outcome, now);
        return;
      case 'shardReleased':
        this.holdings.released(event.shard, event.epoch);
        return;
      case 'shardFenced':
        if (this.view.shard(event.shard)?.epoch !== event.epoch) return;
        this.#talk.doubt(true);
        this.#actions.push(...this.holdings.fenced(event.shard));
        return;
      case 'slept':
        this.#voidBefore = now;
        this.#beatAt = never;
        this.#talk.wantRead();
        return;
      case 'reverted':
        this.#forget();
        return;
      case 'leave':
        this.#leavingSince ??= now;
        return;
    }
  }

  #takeRows({ id, rows, fences }: MemberEvent & { type: 'rowsRead' }, now: number): void {
    if (!this.#talk.takeRead(id)) return;
    if (fences !== undefined) this.#fenceRows = fences;
    if (this.#talk.isReadWhole) this.#believe(rows);
    this.#learn(rows);
    this.observations.observe(this.view, now);
  }

  /** These are all rows, and none that is known was written after them. */
  #believe(rows: readonly Entry[]): void {
    const wentBack = this.view.takeWhole(rows);
    if (wentBack === 0) return;
    this.#forget();
    const message = 'rows of the cluster went back: the database lost commits that it had acknowledged';
    this.#log('error', message, { rows: wentBack });
  }

  /** Fences may have gone back; and mail may have, which hosts still remember: they read it again, under new epochs. */
  #forget(): void {
    this.#talk.doubt(true);
    this.#actions.push(...this.holdings.forgotten());
  }

  #takeResult(id: number, outcome: CommitOutcome, now: number): void {
    const committed = this.#talk.takeOutcome(id, outcome, now);
    if (committed === 'ignored') return;
    if (committed !== 'failed') this.#learn(committed.entries);
    // A heartbeat that failed is not the last one for a second: the next goes out as soon as may be.
    else if (id === this.#rowCommit) this.#beatAt = never;
  }

  #learn(rows: readonly Entry[]): void {
    this.view.merge(rows);
    this.own.confirm(this.view);
    this.#controlDue = true;
  }

  #noteLapse(now: number): void {
    if (!this.#hadLease || this.hasLease(now)) return;
    this.#hadLease = false;
    this.#log('warn', 'the lease has run out: this node serves nothing until it is renewed', {});
  }

  #noteGain(now: number): void {
    if (this.#hadLease || !this.hasLease(now)) return;
    this.#hadLease = true;
    // It did not watch meanwhile (observations.ts).
    this.observations.reset(now);
  }

  /** True while we are a member. */
  #followOwnRow(now: number): boolean {
    if (this.#talk.readAt === never) return false;
    const standing = this.own.standing(this.view);
    if (standing === 'up') return true;
    this.#actions.push(...this.holdings.dropAll());
    if (standing === 'removed' || this.#leavingSince !== undefined) {
      this.#end(standing === 'removed' ? 'removed' : 'left');
      return false;
    }
    if (standing === 'ended') {
      this.#log('error', 'this node was declared dead; it joins again', { ...this.self });
      this.own.beginAnew();
    } else if (standing === 'displaced') {
      if (!this.#wasDisplaced) this.#log('error', 'another process runs under the name of this node', {});
      this.#wasDisplaced = true;
      // It runs; two that drove each other out in turn would be worse than one that waits.
      if (this.observations.silentMs(this.self.node, now) < this.#times.leaseMs) return false;
      this.own.beginAnew();
      this.#wasDisplaced = false;
    }
    if (!this.#talk.isFree('row', now)) return false;
    this.#beatAt = now;
    this.#commit('row', this.own.join(this.view, now), now);
    return false;
  }

  #followShards(now: number): void {
    const { leaseMs, marginMs, releaseMs } = this.#times;
    // Counted from the last read that did not show the move: the controller waits for no more than that.
    const releaseBy = Math.min(now, this.#talk.readBefore + leaseMs - marginMs) + releaseMs;
    this.#actions.push(...this.holdings.update(this.view, this.self, releaseBy));
    this.#actions.push(...this.holdings.expire(now));
  }

  #handOver(now: number): void {
    if (!this.#talk.isFree('handover', now) || !this.holdings.hasReleased) return;
    const mayKeep = this.#leavingSince === undefined;
    const change = this.holdings.handover(this.view, this.self, { fenceRows: this.#fenceRows, mayKeep });
    if (!change.isEmpty) this.#commit('handover', change, now);
  }

  #control(now: number): void {
    if (!this.#controlDue || !this.#talk.isFree('control', now) || !this.hasLease(now)) return;
    this.#controlDue = false;
    const context: ControllerContext = {
      self: this.self,
      view: this.view,
      observations: this.observations,
      fenceRows: this.#fenceRows,
      occupancy: this.occupancy,
      times: this.#times,
      now,
    };
    if (!this.isController) {
      const change = this.#leavingSince === undefined ? takeControl(context) : undefined;
      if (change !== undefined) this.#commit('control', change, now);
      return;
    }
    const decision = decide(context);
    if (decision === undefined) return;
    const { change, ...counts } = decision;
    this.#log(counts.dead.length > 0 ? 'warn' : 'info', 'the controller decided', counts);
    this.#commit('control', change, now);
  }

  /** Stopping, or being removed: first the shards, then the row. */
  #leave(now: number): void {
    const row = this.view.node(this.self.node)!;
    const isRemoval = row.leaving === 'remove';
    if ((this.#leavingSince === undefined && !isRemoval) || !this.#talk.isFree('row', now)) return;
    const isAlone = this.#leavingSince !== undefined && !this.#hasHeir(now);
    const isTired = now >= this.#patience()[0]!;
    if (!isAlone && !isTired && row.leaving === undefined) {
      this.#beatAt = now;
      this.#commit('row', this.own.renew(this.view, now, { state: 'draining', leaving: 'close' }), now);
      return;
    }
    if (isAlone || isTired) {
      const releaseBy = isTired ? now : now + this.#times.releaseMs;
      this.#actions.push(...this.holdings.releaseAll(releaseBy), ...this.holdings.expire(now));
    } else if (this.holdings.size > 0) return;
    if (
      !this.holdings.allReleased ||
      !this.#talk.isFree('handover', now) ||
      !this.#talk.isFree('control', now)
    )
      return;
    const change = this.holdings.abandon(this.view, this.#fenceRows);
    if (this.isController) change.putController({ term: this.view.controller!.row.term });
    this.own.putInto(change, this.view, now, { state: isRemoval ? 'removed' : 'left' });
    this.#commit('row', change, now);
  }

  /** Somebody who can take our shards. */
  #hasHeir(now: number): boolean {
    for (const { row } of this.view.nodes.values()) {
      const isSilent = this.observations.silentMs(row.node, now) >= this.#times.leaseMs;
      if (takesShards(row) && !isSilent && row.node !== this.self.node) return true;
    }
    return false;
  }

  /** When we stop waiting for others to take our shards, and for the engine to take our last word. */
  #patience(): readonly number[] {
    const tiredAt = (this.#leavingSince ?? Number.POSITIVE_INFINITY) + this.#times.leaveMs;
    return [tiredAt, tiredAt + this.#times.answerMs];
  }

  #renew(now: number): void {
    if (this.#isStale(now)) return;
    const isAgain = now >= this.#talk.repeatAt();
    const isDue = this.#talk.isFree('row', now) && now >= this.#beatAt + this.#times.heartbeatMs;
    if (!isAgain && !isDue) return;
    this.#beatAt = now;
    this.#commit('row', this.own.renew(this.view, now), now, isAgain ? 'again' : 'heartbeat');
  }

  /** A node that cannot read is of no use: its silence lets others take over. */
  #isStale(at: number): boolean {
    return at >= this.#talk.readAt + this.#times.leaseMs - this.#times.marginMs;
  }

  #commit(errand: Errand, change: ClusterChange, now: number, form: CommitForm = 'told'): void {
    const action = this.#talk.commit(errand, change, { now, form });
    if (errand === 'row') this.#rowCommit = action.id;
    this.#actions.push(action);
  }

  #end(reason: 'left' | 'removed'): void {
    this.#ended = true;
    this.#actions.push(...this.holdings.dropAll(), { type: 'ended', reason });
  }

  #log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void {
    this.#actions.push({ type: 'log', level, message, fields });
  }
}
