// A node of the outer zone in its cluster: says every second that it lives, to whichever node with the engine answers,
// and keeps the table of who hosts which shard.
// Invariant: the table may be old, as every node's: who is asked says so, and then it is asked for anew at once.
// While no node answers the table stays; what becomes of sessions is decided by the calls they make.

import { shardCount } from '../../account/shard.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Epoch, NodeId, ShardId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { ShardLocator, ShardPlace } from '../location.ts';
import type { NodeListener, NodeRole } from '../membership/cluster-rows.ts';
import { ShardTable } from '../membership/shard-table.ts';
import {
  type ClusterAnswer,
  type ClusterMethod,
  type ClusterQuestion,
  clusterMethods,
  clusterServiceName,
} from './cluster-protocol.ts';
import type { InnerNodes } from './inner-nodes.ts';
import { parseMethodAnswer } from './link-protocol.ts';

export interface OuterMemberOptions {
  readonly self: NodeId;
  readonly nodes: InnerNodes;
  readonly description: {
    readonly roles: readonly NodeRole[];
    readonly weight: number;
    readonly host: string;
    readonly linkVersions: { readonly min: number; readonly max: number };
    readonly softwareVersion: string;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** With each answer: the version of the cluster's configuration. */
  readonly configured: (version: number) => void;
  readonly onRemoved: () => void;
}

const heartbeatMs = 1_000;
/** Below a lease: a heartbeat that takes longer is of no use. */
const answerMs = 2_500;
/** An inner node that hangs is left for the next one while there is time. */
const nodeAnswerMs = 1_000;
/** A caller that found the table old asks again after so long at the earliest. */
const refreshGapMs = 10;

export class OuterMember implements ShardLocator, AsyncDisposable {
  readonly self: NodeId;
  readonly table: ShardTable;
  /** Known once it listens. */
  listeners: readonly NodeListener[] = [];
  /** Set when there are listeners. */
  sessions: () => number = () => 0;
  isDraining = false;
  /** The last heartbeat was answered. */
  isConnected = false;
  readonly #options: OuterMemberOptions;
  readonly #incarnation: string;
  #known: string | undefined;
  #looking: Promise<void> | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: OuterMemberOptions) {
    this.#options = options;
    this.self = options.self;
    this.#incarnation = options.random.identifier(16);
    const { clock } = options;
    this.table = new ShardTable({ self: this.self, clock, refresh: () => this.#refresh() });
  }

  placeOf(shard: ShardId): ShardPlace | undefined {
    return this.table.placeOf(shard);
  }

  whenMoved(shard: ShardId, seen: ShardPlace | undefined, waitMs: number): Promise<void> {
    return this.table.whenMoved(shard, seen, waitMs);
  }

  /** Resolves when the cluster knows of it and it knows the table; rejects when nobody answers, or it was removed. */
  async start(): Promise<void> {
    await this.#beat(false);
    await this.#look();
    this.#schedule();
  }

  /** Tells the cluster that it leaves; in bounded time. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#beat(true).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'the cluster could not be told that this node stops');
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#timer = this.#options.clock.after(heartbeatMs, () => {
      void this.#live().then(() => this.#schedule());
    });
  }

  /** Never rejects. */
  async #live(): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#beat(false);
      await this.#look();
      if (!this.isConnected) log.info('the cluster is reached again');
      this.isConnected = true;
    } catch (error) {
      if (this.isConnected) log.warn({ err: error }, 'no node of the cluster answers; trying again');
      this.isConnected = false;
      if (isMailError(error, 'permissionDenied')) log.error({ err: error }, 'the cluster refuses this node');
    }
  }

  async #beat(isLeaving: boolean): Promise<void> {
    const { description, configured, onRemoved } = this.#options;
    const { roles, ...said } = description;
    const { isDraining, isRemoved, configurationVersion } = await this.#ask('heartbeat', {
      ...said,
      roles: [...roles],
      incarnation: this.#incarnation,
      listeners: this.listeners.map((listener) => ({ ...listener })),
      sessions: this.sessions(),
      isLeaving,
    });
    if (isLeaving) return;
    if (isRemoved) onRemoved();
    this.isDraining = isDraining;
    this.isConnected = true;
    configured(configurationVersion);
  }

  /** Somebody found a place to be wrong. */
  #refresh(): void {
    if (this.#isClosed || this.#looking !== undefined) return;
    void this.#options.clock
      .sleep(refreshGapMs)
      .then(() => this.#look())
      .catch((error: unknown) => {
        this.#options.log.debug({ err: error }, 'the table of shards could not be refreshed');
      });
  }

  /** One look at a time. */
  #look(): Promise<void> {
    this.#looking ??= this.#readPlaces().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #readPlaces(): Promise<void> {
    const known = this.#known;
    const { version, table } = await this.#ask('places', known === undefined ? {} : { known });
    if (table === undefined) return;
    this.#known = version;
    const { nodes, owners, epochs } = table;
    this.#options.nodes.learn(nodes);
    this.table.replace(
      Array.from({ length: shardCount }, (_, shard) => {
        const owner = nodes[owners[shard] ?? -1];
        if (owner === undefined) return undefined;
        const { node, host, port } = owner;
        return { node: node as NodeId, epoch: (epochs[shard] ?? 0) as Epoch, address: { host, port } };
      }),
    );
  }

  async #ask<Method extends ClusterMethod>(
    method: Method,
    question: ClusterQuestion<Method>,
  ): Promise<ClusterAnswer<Method>> {
    const request = { service: clusterServiceName, method, arguments: question };
    const answer = await this.#options.nodes.ask(request, answerMs, nodeAnswerMs);
    return parseMethodAnswer(clusterMethods, method, answer);
  }
}
