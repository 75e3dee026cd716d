// Nodes of a cluster in one process, on a memory engine and a clock that is moved by hand: what a test of members needs.
// Whoever starts nodes ends them with `endAll`.

import assert from 'node:assert/strict';
import { type Clock, systemClock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import { fenceFor } from '../storage/fence.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { ClusterMember, type ClusterMemberOptions } from './cluster-member.ts';
import { type ClusterRequest, performRequest } from './membership/cluster-requests.ts';

export const shardCount = 12;

/** Time that moves by hand and takes everybody's timers along, in order. */
export class HandClock implements Clock {
  #time = 1_000_000;
  #wallAhead = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now = (): number => this.#time + this.#wallAhead;
  monotonic = (): number => this.#time;
  after = (delayMs: number, callback: () => void) => {
    const timer = { at: this.#time + Math.max(1, delayMs), callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
      },
    };
  };
  sleep = (delayMs: number): Promise<void> => new Promise((resolve) => this.after(delayMs, resolve));
  nextTurn = systemClock.nextTurn;
  yieldTurn = this.nextTurn;
  turnMs = systemClock.turnMs;

  /** The wall clock alone goes on: the machine slept. */
  sleptMs(ms: number): void {
    this.#wallAhead += ms;
  }

  async advance(ms: number): Promise<void> {
    const end = this.#time + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#time = Math.max(this.#time, next.at);
      next.callback();
      await this.settle();
    }
    this.#time = end;
  }

  /** Lets what is under way in the engine come to its end. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await this.nextTurn();
  }
}

export interface TestNode {
  readonly member: ClusterMember;
  readonly open: Map<ShardId, Epoch>;
  readonly log: string[];
  /** Its way to the engine is cut when false. */
  connected: boolean;
  /** The engine does not take what it has to tell others. */
  mute: boolean;
  /** Its commits, but for those that go apart, wait for this while it is set. */
  holdCommits: Promise<void> | undefined;
  /** So many of its next reads of the rows are never answered. */
  readsToHold: number;
  /** Releases wait for this while it is set. */
  holdReleases: Promise<void> | undefined;
}

const opened: { node: TestNode; clock: HandClock }[] = [];
/** Ends all nodes that were started, in good order. */
export async function endAll(): Promise<void> {
  for (const { node, clock } of opened.splice(0)) {
    node.connected = true;
    node.mute = false;
    let over = false;
    const closed = node.member.close().then(() => {
      over = true;
    });
    while (!over) await clock.advance(500);
    await closed;
  }
}

/** The engine as one node reaches it: cut off, its calls hang until they are given up. */
function link(engine: Engine, node: Omit<TestNode, 'member'>): Engine {
  const hang = (): Promise<never> => new Promise(() => undefined);
  return {
    ...engine,
    name: engine.name,
    get: (key) => (node.connected ? engine.get(key) : hang()),
    getMany: (keys) => (node.connected ? engine.getMany(keys) : hang()),
    page: (range, limits) =>
      node.connected && node.readsToHold-- <= 0 ? engine.page(range, limits) : hang(),
    commit: async (batch) => {
      if (node.mute && batch.signals !== undefined) throw new Fault('no answer', { temporary: true });
      await node.holdCommits;
      return node.connected ? engine.commit(batch) : hang();
    },
    commitApart: (batch) => (node.connected ? engine.commit(batch) : hang()),
    snapshot: () => engine.snapshot(),
    subscribe: (topic, listener) => engine.subscribe(topic, () => node.connected && listener()),
    onReverted: (listener) => engine.onReverted?.(listener) ?? (() => {}),
    statistics: () => engine.statistics(),
    close: () => engine.close(),
  };
}

export function start(
  name: string,
  parts: { engine: Engine; clock: HandClock },
  options: Partial<ClusterMemberOptions> = {},
): TestNode {
  const open = new Map<ShardId, Epoch>();
  const log: string[] = [];
  const node: Omit<TestNode, 'member'> = {
    open,
    log,
    connected: true,
    mute: false,
    holdCommits: undefined,
    readsToHold: 0,
    holdReleases: undefined,
  };
  const member = new ClusterMember({
    engine: link(parts.engine, node),
    clock: parts.clock,
    random: systemRandom,
    log: silentLog,
    shardCount,
    description: {
      node: name as NodeId,
      roles: ['frontend', 'mx', 'backend'],
      weight: 1,
      zone: 'inner',
      address: { host: '127.0.0.1', port: 1000 + name.charCodeAt(0) },
      linkVersions: { min: 1, max: 1 },
      softwareVersion: '0.1.0',
    },
    host: {
      onShardOpened: (shard, epoch) => {
        assert.ok(!open.has(shard), 'opened twice');
        open.set(shard, epoch);
      },
      onShardReleasing: async (shard) => {
        log.push(`releasing ${shard}`);
        await node.holdReleases;
        open.delete(shard);
      },
      onShardDropped: (shard) => {
        log.push(`dropped ${shard}`);
        open.delete(shard);
      },
    },
    ...options,
  });
  const whole: TestNode = Object.assign(node, { member });
  opened.push({ node: whole, clock: parts.clock });
  return whole;
}

export function cluster(): { engine: Engine; clock: HandClock } {
  return { engine: openMemoryEngine(), clock: new HandClock() };
}

/** Every shard is open at one node, which may write it under the epoch of its fence. */
export async function assertHosted(engine: Engine, nodes: readonly TestNode[]): Promise<number[]> {
  for (let shard = 0 as ShardId; shard < shardCount; shard++) {
    const hosts = nodes.filter(({ open }) => open.has(shard));
    assert.equal(hosts.length, 1, `shard ${shard} has ${hosts.length} hosts`);
    const epoch = hosts[0]!.member.epochOf(shard);
    assert.equal(epoch, hosts[0]!.open.get(shard));
    assert.deepEqual(await engine.commit({ fence: fenceFor(shard, epoch) }), { outcome: 'committed' });
    for (const { member } of nodes) assert.equal(member.placeOf(shard)?.node, hosts[0]!.member.self);
  }
  return nodes.map(({ open }) => open.size);
}

export function request(engine: Engine, change: ClusterRequest): Promise<void> {
  return performRequest(engine, shardCount, change);
}

/** This node does not host it now. */
export function refused(run: () => unknown): void {
  assert.throws(run, (error: unknown) => isMailError(error, 'unavailable'));
}
