// Everything a simulation consists of, and what is to be true of all of it at any moment.

import { type Random, seededRandom } from '../../src/base/random.ts';
import type { Occupancy } from '../../src/cluster/membership/assignment.ts';
import type { NodeRole } from '../../src/cluster/membership/cluster-rows.ts';
import { ClusterView } from '../../src/cluster/membership/cluster-view.ts';
import { type MemberTimes, memberTimesDefault } from '../../src/cluster/membership/member-times.ts';
import { Checker, Violation } from './checker.ts';
import { EventQueue } from './event-queue.ts';
import { RowChecker } from './row-checker.ts';
import { SimulatedEngine } from './simulated-engine.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedNode } from './simulated-node.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** How long faults happen in each round; after it, things must come to rest. */
  readonly faultsMs: number;
  readonly rounds: number;
  readonly nodes: number;
  /** To begin with; the directory grows. */
  readonly accounts: number;
  readonly shards: number;
  /** So many accounts get half of the mail, and the sessions. */
  readonly hotAccounts: number;
  readonly sessionsPerNode: number;
  readonly deliveriesPerSecond: number;
  readonly trace?: (line: string) => void;
}

/** Clocks run at most so much fast or slow: in some worlds as much as docs/cluster.md allows between two of them. */
const clockDriftMaxes = [0.01, 0.029];
/** Between two looks at who serves what. */
const inspectionMs = 100;

export class World {
  readonly options: SimulationOptions;
  readonly queue = new EventQueue();
  readonly random: Random;
  readonly checker = new Checker();
  readonly rows = new RowChecker(this.queue, memberTimesDefault.leaseMs);
  readonly engine: SimulatedEngine;
  readonly network: SimulatedNetwork;
  readonly nodes: SimulatedNode[] = [];
  readonly times: MemberTimes = memberTimesDefault;
  /** So many accounts the directory has. */
  accounts: number;
  round = 0;
  /** Requests of clients so far: the last one's number is its operation id. */
  operations = 0;
  /** When this round's faults end. */
  faultsUntil = 0;
  /** Part of the signals that get lost. */
  signalLoss = 0.05;
  /** Of all that happened, in order: two runs of a seed must agree. */
  digest = 0;

  constructor(options: SimulationOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.accounts = options.accounts;
    this.engine = new SimulatedEngine(options.shards, this.checker, this.rows);
    this.engine.onSignal = () => this.#signal((node) => node.signal());
    this.network = new SimulatedNetwork(this.queue, this);
    this.network.isEngineUp = () => this.engine.isUp;
    this.#inspect();
  }

  unit(): number {
    return this.random.integer(2 ** 32) / 2 ** 32;
  }

  chance(part: number): boolean {
    return this.unit() < part;
  }

  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.random.integer(list.length)];
  }

  shardOf(account: number): number {
    return (Math.imul(account + 1, 0x9e3779b1) >>> 8) % this.options.shards;
  }

  addAccounts(count: number): void {
    this.accounts += count;
    this.#signal((node) => node.directoryChanged());
  }

  /** How many accounts each shard has, as src/cluster/shard-occupancy.ts reads it. */
  countAccounts(): Occupancy {
    if (this.accounts > 4 * this.options.shards) return 'many';
    const counts = new Uint32Array(this.options.shards);
    for (let account = 0; account < this.accounts; account++) counts[this.shardOf(account)]!++;
    return counts;
  }

  /** Whoever listens there. */
  nodeAt(port: number): SimulatedNode | undefined {
    return this.nodes[port];
  }

  addNode(): SimulatedNode {
    const index = this.nodes.length;
    const roles: NodeRole[] = index === 0 || !this.chance(0.2) ? ['frontend', 'backend'] : ['frontend'];
    const node = new SimulatedNode(this, {
      name: `n${index}`,
      port: index,
      roles,
      weight: this.chance(0.2) ? 2 : 1,
      clock: { rate: 1 + this.#drift(), originMs: this.between(0, 1e9) },
      times: this.times,
    });
    this.nodes.push(node);
    return node;
  }

  /** A second process under the name of a node. */
  addTwin(node: SimulatedNode): SimulatedNode {
    const twin = node.twin();
    this.nodes.push(twin);
    return twin;
  }

  /** The rows as they are. */
  view(): ClusterView {
    const view = new ClusterView(this.options.shards);
    view.merge(this.engine.readCluster());
    return view;
  }

  /** Nobody else may serve what this node serves now. */
  checkServing(node: SimulatedNode, only?: number): void {
    for (let shard = only ?? 0; shard < (only === undefined ? this.options.shards : only + 1); shard++) {
      if (node.servedEpoch(shard) === undefined) continue;
      for (const other of this.nodes) {
        if (other === node || other.servedEpoch(shard) === undefined) continue;
        throw new Violation(`shard ${shard} is served by ${node.name} and by ${other.name}`);
      }
    }
  }

  serves(node: SimulatedNode): boolean {
    for (let shard = 0; shard < this.options.shards; shard++) {
      if (node.servedEpoch(shard) !== undefined) return true;
    }
    return false;
  }

  /** Shards that no running node serves now. */
  unhosted(): number[] {
    const missing: number[] = [];
    for (let shard = 0; shard < this.options.shards; shard++) {
      if (!this.nodes.some((node) => node.servedEpoch(shard) !== undefined)) missing.push(shard);
    }
    return missing;
  }

  trace(who: string, what: string, ...details: unknown[]): void {
    let text = `${this.queue.now.toFixed(3)} ${who} ${what}`;
    for (const detail of details) text += ` ${typeof detail === 'object' ? JSON.stringify(detail) : detail}`;
    for (let at = 0; at < text.length; at++)
      this.digest = (Math.imul(this.digest, 31) + text.charCodeAt(at)) | 0;
    this.options.trace?.(text);
  }

  #drift(): number {
    const max = clockDriftMaxes[this.options.seed % clockDriftMaxes.length]!;
    return this.chance(0.3) ? (this.chance(0.5) ? max : -max) : this.between(-max, max);
  }

  #signal(tell: (node: SimulatedNode) => void): void {
    for (const node of this.nodes) {
      if (!node.isRunning || this.chance(this.signalLoss)) continue;
      const copies = this.chance(0.02) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const delayMs = this.chance(0.05) ? this.between(1, 2_000) : this.between(0.5, 5);
        this.queue.after(delayMs, () => {
          if (!this.network.isCut('engine', node.name)) tell(node);
        });
      }
    }
  }

  #inspect(): void {
    const servers = new Map<number, SimulatedNode>();
    for (const node of this.nodes) {
      if (!node.isRunning) continue;
      for (let shard = 0; shard < this.options.shards; shard++) {
        if (node.servedEpoch(shard) === undefined) continue;
        const other = servers.get(shard);
        if (other !== undefined) {
          throw new Violation(`shard ${shard} is served by ${other.name} and by ${node.name}`);
        }
        servers.set(shard, node);
      }
    }
    this.queue.after(inspectionMs, () => this.#inspect());
  }
}
