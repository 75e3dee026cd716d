// This process as a node of its cluster: runs the core (membership/member-core.ts) on the engine, the clock and the
// log, says which shards this node may write and where the others are, and tells the account hosts what to do.
//
// Invariant: `epochOf` answers only while the lease holds at the moment of the call. After it has run out every shard is
// refused with MailError('unavailable') until it is renewed; who was declared dead is told to drop its shards.
// Failures of the engine are the core's business (it asks again); they are logged when they begin and when they end.

import type { ShardLeases } from '../account/account-hosts.ts';
import { shardCount as cellShardCount } from '../account/shard.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Batch, Engine } from '../storage/engine.ts';
import type { ShardLocator, ShardPlace } from './location.ts';
import type { Occupancy } from './membership/assignment.ts';
import { type FenceRows, fenceKeys } from './membership/cluster-change.ts';
import { readClusterRows } from './membership/cluster-requests.ts';
import { clusterTopic, type NodeDescription, type NodeLoad } from './membership/cluster-rows.ts';
import { type ClusterStatus, clusterStatus } from './membership/cluster-status.ts';
import type { ClusterView } from './membership/cluster-view.ts';
import type { CommitOutcome } from './membership/engine-talk.ts';
import { MemberCore } from './membership/member-core.ts';
import type { MemberAction, MemberEvent } from './membership/member-events.ts';
import { type MemberTimes, memberTimesDefault } from './membership/member-times.ts';
import { ShardTable } from './membership/shard-table.ts';

/** What a node does with the shards it is given. */
export interface ShardHost {
  /** From now on the shard's accounts are written here, under this epoch. Nothing of them is known from before. */
  onShardOpened(shard: ShardId, epoch: Epoch): void;
  /**
   * The shard moves: take no new work for it, finish what was begun, forget its accounts. Resolves when that is done;
   * after `releaseMs` onShardDropped follows all the same.
   */
  onShardReleasing(shard: ShardId, epoch: Epoch): Promise<void>;
  /** The shard is somebody else's: its accounts are closed at once; commits under way are refused by the fence. */
  onShardDropped(shard: ShardId, epoch: Epoch): void;
}

export interface ClusterMemberOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly description: NodeDescription;
  readonly host: ShardHost;
  readonly times?: Partial<MemberTimes>;
  readonly shardCount?: number;
  /**
   * Whoever starts this process knows (it held a lock, or reaped the child) that the one before it, of the same name, has
   * ended: what that one hosted need not wait for its lease. Must not be said of a guess.
   */
  readonly predecessorGone?: boolean;
  /** Shown to operators with the next heartbeat. */
  load?(): NodeLoad;
  /** It was removed from the cluster by the operator: the process should stop. */
  onRemoved?(): void;
}

const incarnationLength = 16;
/** The wall clock running this much ahead of the monotonic one means that the machine slept, or that it was set. */
const sleptMsMin = 500;

export class ClusterMember implements ShardLeases, ShardLocator, AsyncDisposable {
  readonly self: NodeId;
  readonly table: ShardTable;
  readonly #options: ClusterMemberOptions;
  readonly #core: MemberCore;
  readonly #shardCount: number;
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #wallAhead: number;
  #engineFails = false;
  /** Told with each heartbeat. */
  #losses: Pick<NodeLoad, 'lostCommitsAt'> = {};
  #joinedOrEnded: (() => void)[] = [];
  #ended = false;

  /** Starts at once; `whenJoined` tells when it is a member. */
  constructor(options: ClusterMemberOptions) {
    const { clock, random, description } = options;
    this.#options = options;
    this.self = description.node;
    this.#shardCount = options.shardCount ?? cellShardCount;
    this.#wallAhead = clock.now() - clock.monotonic();
    this.table = new ShardTable({ self: this.self, clock, refresh: () => this.#handle({ type: 'signal' }) });
    this.#core = new MemberCore({
      description,
      shardCount: this.#shardCount,
      times: { ...memberTimesDefault, ...options.times },
      newIncarnation: () => random.identifier(incarnationLength),
      predecessorGone: options.predecessorGone === true,
    });
    const { engine } = options;
    const unsubscribe = engine.subscribe(clusterTopic, () => this.#handle({ type: 'signal' }));
    const unhook = engine.onReverted?.((mayLackMail) => this.#reverted(mayLackMail));
    this.#unsubscribe = () => {
      unsubscribe();
      unhook?.();
    };
    this.#handle({ type: 'tick' });
  }

  /** What this node knows of the cluster's rows. */
  get view(): ClusterView {
    return this.#core.view;
  }

  get isController(): boolean {
    return this.#core.isController;
  }

  /** What shards are balanced by when this node is the controller; without it by their number. */
  set occupancy(occupancy: Occupancy) {
    this.#core.occupancy = occupancy;
  }

  /** Resolves when this node is a member with a lease; also when it was closed before. */
  async whenJoined(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#ended && !this.#core.hasLease(clock.monotonic())) {
      await new Promise<void>((resolve) => {
        this.#joinedOrEnded.push(resolve);
      });
    }
  }

  epochOf(shard: ShardId): Epoch {
    this.#noticeSleep();
    const epoch = this.#core.epochOf(shard, this.#options.clock.monotonic());
    if (epoch === undefined) throw new MailError('unavailable', `this node does not host shard ${shard} now`);
    return epoch;
  }

  placeOf(shard: ShardId): ShardPlace | undefined {
    return this.table.placeOf(shard);
  }

  whenMoved(shard: ShardId, seen: ShardPlace | undefined, waitMs: number): Promise<void> {
    return this.table.whenMoved(shard, seen, waitMs);
  }

  /** Resolves when every shard of the cell has a host, or after `waitMs`; says which. */
  whenHosted(waitMs: number): Promise<boolean> {
    return this.table.whenHosted(this.#shardCount, waitMs);
  }

  /** A commit under this epoch was refused by the fence. */
  reportFenced(shard: ShardId, epoch: Epoch): void {
    this.#handle({ type: 'shardFenced', shard, epoch });
  }

  status(): ClusterStatus {
    return clusterStatus(this.#core, this.#options.clock.monotonic());
  }

  /** Hands this node's shards to others and leaves; in bounded time, whatever the engine does. Twice is fine. */
  async close(): Promise<void> {
    this.#handle({ type: 'leave' });
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#joinedOrEnded.push(resolve);
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handle(event: MemberEvent): void {
    if (this.#ended) return;
    if (event.type !== 'slept') this.#noticeSleep();
    const { clock, load } = this.#options;
    if (load !== undefined) this.#core.load = { ...load(), ...this.#losses };
    const actions = this.#core.handle(event, clock.monotonic());
    for (const action of actions) this.#perform(action);
    this.table.update(this.#core.view);
    if (this.#ended || this.#core.hasLease(clock.monotonic())) {
      const waiting = this.#joinedOrEnded;
      this.#joinedOrEnded = [];
      for (const resolve of waiting) resolve();
    }
    this.#timer?.cancel();
    if (this.#ended) return;
    const delayMs = Math.max(1, this.#core.wakeAt() - clock.monotonic());
    this.#timer = clock.after(delayMs, () => this.#handle({ type: 'tick' }));
  }

  #perform(action: MemberAction): void {
    const { host, log } = this.#options;
    switch (action.type) {
      case 'readRows':
        void this.#read(action.id, action.withFences);
        return;
      case 'commit':
        void this.#commit(action.id, action.batch, action.isApart);
        return;
      case 'openShard':
        host.onShardOpened(action.shard, action.epoch);
        return;
      case 'releaseShard':
        void this.#release(action.shard, action.epoch);
        return;
      case 'dropShard':
        host.onShardDropped(action.shard, action.epoch);
        return;
      case 'ended':
        this.#end(action.reason);
        return;
      case 'log':
        log[action.level](action.fields, action.message);
        return;
    }
  }

  /** The core is told outside the `try`: what it throws is a bug, which ends the node, and no failure of the engine. */
  async #read(id: number, withFences: boolean): Promise<void> {
    let event: MemberEvent;
    try {
      const fences = withFences ? await this.#readFences() : undefined;
      const rows = await readClusterRows(this.#options.engine);
      event = { type: 'rowsRead', id, rows, ...(fences === undefined ? {} : { fences }) };
      this.#noteEngine(undefined);
    } catch (error) {
      this.#noteEngine(error);
      event = { type: 'readFailed', id };
    }
    this.#handle(event);
  }

  async #readFences(): Promise<FenceRows> {
    const rows = await this.#options.engine.getMany(fenceKeys(this.#shardCount));
    return new Map(rows.map((row, shard) => [shard as ShardId, row]));
  }

  async #commit(id: number, change: Batch, isApart: boolean): Promise<void> {
    const { engine } = this.#options;
    // Who hosts what is found anew when the database lost it; meanwhile accounts can be read, though nothing be written to them.
    const batch = { ...change, withoutStandby: true };
    let outcome: CommitOutcome = 'unknown';
    try {
      const result = isApart ? engine.commitApart?.(batch) : undefined;
      ({ outcome } = await (result ?? engine.commit(batch)));
    } catch (error) {
      this.#noteEngine(error);
    }
    this.#handle({ type: 'commitResult', id, outcome });
  }

  async #release(shard: ShardId, epoch: Epoch): Promise<void> {
    try {
      await this.#options.host.onShardReleasing(shard, epoch);
    } catch (error) {
      this.#options.log.error({ err: error, shard }, 'a shard was let go with an error');
    }
    this.#handle({ type: 'shardReleased', shard, epoch });
  }

  /** A suspended machine's monotonic clock may stand still while others' leases run. */
  #noticeSleep(): void {
    const { clock, log } = this.#options;
    const wallAhead = clock.now() - clock.monotonic();
    const jumpMs = wallAhead - this.#wallAhead;
    this.#wallAhead = wallAhead;
    if (jumpMs < sleptMsMin) return;
    log.warn(
      { jumpMs },
      'the clock jumped: the machine slept or was set; the lease is renewed before anything else',
    );
    this.#handle({ type: 'slept' });
  }

  #reverted(mayLackMail: boolean): void {
    if (mayLackMail) this.#losses = { lostCommitsAt: this.#options.clock.now() };
    this.#handle({ type: 'reverted' });
  }

  #noteEngine(error: unknown): void {
    const { log } = this.#options;
    if ((error !== undefined) === this.#engineFails || this.#ended) return;
    this.#engineFails = error !== undefined;
    if (this.#engineFails) log.warn({ err: error }, 'the cluster rows cannot be reached; trying again');
    else log.info('the cluster rows are reached again');
  }

  #end(reason: 'left' | 'removed'): void {
    this.#ended = true;
    this.#unsubscribe();
    this.#options.log.info({ reason }, 'no longer a member of the cluster');
    if (reason === 'removed') this.#options.onRemoved?.();
  }
}
