// One node: the real core (src/cluster/membership) on simulated time, engine and network, with account hosts and a
// frontend on top. It can be killed, started again, stopped in the middle of everything (as by SIGSTOP) and slowed down;
// its clock runs fast or slow.

import type { Member, NodeDescription, NodeRole } from '../../src/cluster/membership/cluster-rows.ts';
import { MemberCore } from '../../src/cluster/membership/member-core.ts';
import type { MemberAction, MemberEvent } from '../../src/cluster/membership/member-events.ts';
import type { MemberTimes } from '../../src/cluster/membership/member-times.ts';
import type { Epoch, NodeId, ShardId } from '../../src/mail/ids.ts';
import { type HostingNode, ShardHosting } from './account-host.ts';
import { type Checker, Violation } from './checker.ts';
import { DoubtChecker } from './doubt-checker.ts';
import { Frontend } from './frontend.ts';
import { NodeClock, type NodeClockOptions } from './node-clock.ts';
import type { CommitOutcome, SimulatedEngine } from './simulated-engine.ts';
import type { EngineRequest } from './simulated-network.ts';
import { type CountingNode, SimulatedOccupancy } from './simulated-occupancy.ts';
import type { World } from './world.ts';

export interface NodeOptions {
  readonly name: string;
  /** Every process has its own, twins of one name too. */
  readonly port: number;
  readonly roles: readonly NodeRole[];
  readonly weight: number;
  readonly clock: NodeClockOptions;
  readonly times: MemberTimes;
}

export class SimulatedNode implements HostingNode {
  readonly name: NodeId;
  readonly engine: SimulatedEngine;
  readonly checker: Checker;
  readonly frontend: Frontend;
  readonly #world: World;
  readonly #options: NodeOptions;
  readonly #clock: NodeClock;
  readonly #hostings = new Map<number, ShardHosting>();
  core: MemberCore | undefined;
  #doubts: DoubtChecker;
  slowMs = 0;
  /** Its heartbeats get through, larger commits do not. */
  losesCommits = false;
  /** What its hosts have begun takes so long to finish when a shard moves. */
  releaseDelayMs = 0;
  /** It is stopped between deciding on its next commit of mail and sending it. */
  stopsAtSend = false;
  /** Once, when the engine has answered its next read of the rows and before it has the answer. */
  onRead: (() => void) | undefined;
  /** When it begins to let a shard go. */
  onRelease: (() => void) | undefined;
  /** Its commits get through, reads do not. */
  losesReads = false;
  /** It left or was removed, and its process has ended. */
  onEnded: () => void = () => undefined;
  /** Rises with each start and end of the process: what belonged to the one before does not arrive. */
  #process = 0;
  #paused = false;
  #ended = false;
  #backlog: (() => void)[] = [];
  #timerAt = Number.POSITIVE_INFINITY;
  #hadLease = false;
  #occupancy: SimulatedOccupancy | undefined;

  constructor(world: World, options: NodeOptions) {
    this.#world = world;
    this.#options = options;
    this.name = options.name as NodeId;
    this.engine = world.engine;
    this.checker = world.checker;
    this.frontend = new Frontend(world, this);
    this.#clock = new NodeClock(world.queue, options.clock);
    this.#doubts = new DoubtChecker(options.name, options.times.answerMs);
  }

  /** Another process of the same name, on the same machine. */
  twin(): SimulatedNode {
    return new SimulatedNode(this.#world, { ...this.#options, port: this.#world.nodes.length });
  }

  get isRunning(): boolean {
    return this.core !== undefined;
  }

  /** Its row says that it is up, as far as it knows. */
  get isMember(): boolean {
    return this.core?.own.standing(this.core.view) === 'up';
  }

  /** It knows what was before it. */
  get hasRead(): boolean {
    return this.core !== undefined && this.core.view.nodes.size > 0;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  get self(): Member {
    return this.core!.self;
  }

  /** What this node's monotonic clock shows now. */
  localNow(): number {
    return this.#clock.now();
  }

  start(options: { readonly predecessorGone: boolean }): void {
    if (this.isRunning || this.#ended) return;
    const world = this.#world;
    world.trace(this.name, 'start');
    this.#process++;
    const core = new MemberCore({
      description: this.#description(),
      shardCount: world.options.shards,
      times: this.#options.times,
      newIncarnation: () => world.random.identifier(6),
      // Whoever says so must know.
      predecessorGone:
        options.predecessorGone && !world.nodes.some((each) => each.name === this.name && each.isRunning),
    });
    this.core = core;
    this.#doubts = new DoubtChecker(this.name, this.#options.times.answerMs);
    this.#occupancy = new SimulatedOccupancy(this.#counting(core));
    this.handle({ type: 'tick' });
    this.frontend.start();
  }

  kill(): void {
    if (!this.isRunning) return;
    this.#world.trace(this.name, 'killed');
    this.#process++;
    this.core = undefined;
    this.#paused = false;
    this.#backlog = [];
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#hadLease = false;
    this.#occupancy = undefined;
    this.#clock.wake();
    this.#hostings.clear();
    this.frontend.stop();
  }

  /** Killed, and never started again. */
  end(): void {
    this.kill();
    this.#ended = true;
  }

  leave(): void {
    if (this.isRunning) this.deliver(() => this.handle({ type: 'leave' }));
  }

  pause(): void {
    if (!this.isRunning || this.#paused) return;
    this.#world.trace(this.name, 'paused');
    this.#paused = true;
  }

  /** Stopped with its machine. */
  sleep(): void {
    if (!this.isRunning || this.#paused) return;
    this.pause();
    this.#clock.sleep();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#world.trace(this.name, 'resumed');
    this.#paused = false;
    const backlog = this.#backlog;
    this.#backlog = [];
    // Whoever asks the clock notices; nothing is done before.
    if (this.#clock.wake()) {
      this.handle({ type: 'slept' });
      this.#world.checkServing(this);
    }
    for (const [index, run] of backlog.entries()) {
      if (this.#paused) {
        this.#backlog.push(...backlog.slice(index));
        return;
      }
      run();
    }
  }

  /** Something happens in this process: now, or when it runs again; never in another process of the same name. */
  deliver(run: () => void): void {
    const process = this.#process;
    const live = (): void => {
      if (this.#process === process) run();
    };
    if (this.#paused) this.#backlog.push(live);
    else if (this.slowMs > 0)
      this.#world.queue.after(this.slowMs, () => (this.#paused ? this.#backlog.push(live) : live()));
    else live();
  }

  /** A callback of this process, for an answer that another one must not get. */
  bound<Arguments extends unknown[]>(run: (...given: Arguments) => void): (...given: Arguments) => void {
    const process = this.#process;
    return (...given) => {
      if (this.#process === process) this.deliver(() => run(...given));
    };
  }

  /** Calls back after a while of this node's clock. */
  after(delayMs: number, run: () => void): void {
    const process = this.#process;
    this.#world.queue.after(delayMs / this.#clock.rate, () => {
      if (this.#process === process) this.deliver(run);
    });
  }

  handle(event: MemberEvent): void {
    const { core } = this;
    if (core === undefined) return;
    const actions = core.handle(event, this.localNow());
    for (const action of actions) this.#perform(action);
    if (this.core === undefined) return;
    const hasLease = core.hasLease(this.localNow());
    if (hasLease && !this.#hadLease) this.#world.checkServing(this);
    this.#hadLease = hasLease;
    this.#setTimer();
  }

  /** The epoch under which this node would write the shard now. */
  servedEpoch(shard: number): Epoch | undefined {
    const { core } = this;
    if (core === undefined || this.#clock.isAsleep) return undefined;
    return core.epochOf(shard as ShardId, this.localNow());
  }

  mayServe(shard: number, epoch: number): boolean {
    return this.servedEpoch(shard) === epoch;
  }

  hosting(shard: number): ShardHosting | undefined {
    return this.#hostings.get(shard);
  }

  ask<Result>(apply: () => Result, answered: (result: Result | 'unknown') => void): void {
    if (this.stopsAtSend) this.pause();
    this.stopsAtSend = false;
    this.deliver(() => this.#request({ apply, answered, way: 'commits', isResolved: true }));
  }

  fenced(shard: number, epoch: number): void {
    this.handle({ type: 'shardFenced', shard: shard as ShardId, epoch: epoch as Epoch });
  }

  /** A hint that the cluster's rows have changed. */
  signal(): void {
    if (this.isRunning) this.deliver(() => this.handle({ type: 'signal' }));
  }

  directoryChanged(): void {
    if (this.isRunning) this.deliver(() => this.#occupancy?.directoryChanged());
  }

  #request<Result>(request: Omit<EngineRequest<Result>, 'from'>): void {
    const answered = this.bound(request.answered);
    this.#world.network.request({ ...request, from: this.name, answered });
  }

  #perform(action: MemberAction): void {
    const { engine } = this;
    const world = this.#world;
    switch (action.type) {
      case 'readRows':
        this.#readRows(action.id, action.withFences);
        return;
      case 'commit': {
        const isHeartbeat = action.batch.signals === undefined;
        this.#doubts.commits(action.id, { now: this.localNow(), isHeartbeat });
        const answered = (outcome: CommitOutcome | 'unknown') => {
          this.#doubts.wasCommitted(action.id, outcome, this.localNow());
          this.handle({ type: 'commitResult', id: action.id, outcome });
        };
        if (this.losesCommits && !isHeartbeat) this.after(50, () => answered('unknown'));
        else {
          const way = action.isApart ? 'apart' : 'commits';
          this.#request({ apply: () => engine.commit(action.batch, this), answered, way, isResolved: false });
        }
        return;
      }
      case 'openShard':
        world.trace(this.name, 'open', action.shard, action.epoch);
        this.#hostings.set(action.shard, new ShardHosting(this, action.shard, action.epoch));
        world.checkServing(this, action.shard);
        return;
      case 'releaseShard':
        world.trace(this.name, 'release', action.shard, action.epoch);
        this.#release(action.shard, action.epoch);
        return;
      case 'dropShard':
        world.trace(this.name, 'drop', action.shard, action.epoch);
        this.#hostings.get(action.shard)?.drop();
        this.#hostings.delete(action.shard);
        return;
      case 'ended':
        world.trace(this.name, `ended: ${action.reason}`);
        this.kill();
        this.onEnded();
        return;
      case 'log':
        world.trace(this.name, action.message, action.fields);
        if (action.message.startsWith('rows of the cluster went back')) {
          throw new Violation(`${this.name} believes that the database lost commits, which it did not`);
        }
        return;
    }
  }

  #readRows(id: number, withFences: boolean): void {
    const { engine } = this;
    this.#doubts.reads(id, this.localNow());
    const apply = () => {
      const result = { rows: engine.readCluster(), fences: withFences ? engine.readFences() : undefined };
      const { onRead } = this;
      this.onRead = undefined;
      onRead?.();
      return result;
    };
    const answered = (result: ReturnType<typeof apply> | 'unknown'): void => {
      if (result === 'unknown') {
        this.#doubts.wasNotRead(id, this.localNow());
        this.handle({ type: 'readFailed', id });
      } else {
        const { rows, fences } = result;
        this.#doubts.wasRead(id);
        this.handle({ type: 'rowsRead', id, rows, ...(fences === undefined ? {} : { fences }) });
      }
    };
    if (this.losesReads) this.after(50, () => answered('unknown'));
    else this.#request({ apply, answered, way: 'reads', isResolved: false });
  }

  #release(shard: ShardId, epoch: Epoch): void {
    const hosting = this.#hostings.get(shard)!;
    this.onRelease?.();
    hosting.release(() => {
      this.#hostings.delete(shard);
      this.after(this.releaseDelayMs, () => this.handle({ type: 'shardReleased', shard, epoch }));
    });
  }

  #counting(core: MemberCore): CountingNode {
    const world = this.#world;
    return {
      get isController() {
        return core.isController;
      },
      localNow: () => this.localNow(),
      after: (delayMs, run) => this.after(delayMs, run),
      count: (counted) =>
        this.#request({
          apply: () => world.countAccounts(),
          answered: (counts) => counted(counts === 'unknown' ? undefined : counts),
          way: 'reads',
          isResolved: false,
        }),
      balanceBy: (occupancy) => {
        core.occupancy = occupancy;
      },
    };
  }

  /** At most one timer is under way; one that is too early does no harm. */
  #setTimer(): void {
    const { queue } = this.#world;
    const at = queue.now + Math.max(1, (this.core!.wakeAt() - this.localNow()) / this.#clock.rate);
    if (this.#timerAt <= at && this.#timerAt > queue.now) return;
    this.#timerAt = at;
    const process = this.#process;
    queue.after(at - queue.now, () => {
      if (this.#process !== process || this.#timerAt !== at) return;
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.deliver(() => this.handle({ type: 'tick' }));
    });
  }

  #description(): NodeDescription {
    const { roles, weight, port } = this.#options;
    return {
      node: this.name,
      roles,
      weight,
      zone: 'inner',
      address: { host: '127.0.0.1', port },
      linkVersions: { min: 1, max: 1 },
      softwareVersion: '0',
    };
  }
}
