// The rows a cluster lives by, in its cell's engine: one a node, one a shard, one for the controller. Their payload is
// JSON in a checksummed record; fields that this version does not know are kept, so that nodes of versions N and N+1
// may write the same rows.
//
// Invariant: a row is changed only by a commit with a condition on its old bytes, and every change raises its
// `revision` by one, over all of the row's life. So of two reads of a row the newer one is known without any clock, and
// no bytes ever come back: a condition that held once and failed once never holds again.
// A damaged row throws RecordDamaged.

import type { Epoch, NodeId, ShardId } from '../../mail/ids.ts';
import type { Bytes, Entry } from '../../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';
import { encodeTuple, tuplePrefixRange } from '../../storage/tuple.ts';

export type NodeRole = 'frontend' | 'mx' | 'backend';

/**
 * `active`: takes shards. `draining`: gives its shards to others and takes none. `left`: stopped in good order. `dead`:
 * its lease ran out and the controller said so. `removed`: the operator took it out; it may not join again by itself.
 */
export type NodeState = 'active' | 'draining' | 'left' | 'dead' | 'removed';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a node takes clients: `name` is the key of `listen` in the configuration. */
export interface NodeListener {
  readonly name: string;
  /** As it is bound: 0.0.0.0 and :: are all addresses. */
  readonly address: string;
  readonly port: number;
}

/** How busy a node is: for people and metrics, no decision hangs on it. */
export interface NodeLoad {
  readonly openAccounts: number;
  readonly sessions: number;
  readonly commitsPerSecond: number;
  /** Wall clock, milliseconds: when the database was last found to lack what this run of the node had committed. */
  readonly lostCommitsAt?: number;
}

/** What a node says of itself when it joins. */
export interface NodeDescription {
  readonly node: NodeId;
  readonly roles: readonly NodeRole[];
  /** Its share beside the others' weights: of accounts, if it is a backend, and of clients; 0 takes none. */
  readonly weight: number;
  readonly zone: string;
  /** Where its link listener is. */
  readonly address: NodeAddress;
  readonly linkVersions: { readonly min: number; readonly max: number };
  readonly softwareVersion: string;
  /** For balancers; nodes of older versions do not say. */
  readonly listeners?: readonly NodeListener[];
}

export interface NodeRow extends NodeDescription {
  readonly revision: number;
  /** Of this run of the program: a node that comes back is another one. */
  readonly incarnation: string;
  /** Another one with each attempt to write the row: what shows that the node lives. */
  readonly beat: number;
  readonly state: NodeState;
  /** The operator drained it: it stays so until he ends it, over restarts too. */
  readonly drained?: boolean;
  /** It is on its way out by itself (close) or by the operator (remove); it is draining until then. */
  readonly leaving?: 'close' | 'remove';
  /** The incarnation before it, known to have ended: what that one had need not wait for its lease. */
  readonly successorOf?: string;
  readonly load: NodeLoad;
}

/** One run of a node. */
export interface Member {
  readonly node: NodeId;
  readonly incarnation: string;
}

export interface ControllerRow {
  readonly revision: number;
  /** Undefined: nobody; whoever comes first takes it. */
  readonly holder?: Member;
  readonly term: number;
}

export interface ShardRow {
  readonly revision: number;
  readonly shard: ShardId;
  /** Undefined: nobody, nor may anybody still write under this epoch. */
  readonly owner?: Member;
  /** The same as in the shard's fence row. */
  readonly epoch: Epoch;
  /** A planned move is under way. */
  readonly movingTo?: Member;
  /** The operator wants it there while that node is up. */
  readonly pinned?: NodeId;
}

const version = 1;

/** All cluster rows: one short range. */
export const clusterRange = tuplePrefixRange(['cluster']);
/** Told after each change that somebody should act on; heartbeats are not told. */
export const clusterTopic = 'cluster';

export const controllerKey: Bytes = encodeTuple(['cluster', 'controller']);
export const nodeKey = (node: NodeId): Bytes => encodeTuple(['cluster', 'node', node]);
export const shardKey = (shard: ShardId): Bytes => encodeTuple(['cluster', 'shard', shard]);

export const nodeEntry = (row: NodeRow): Entry => ({
  key: nodeKey(row.node),
  value: encodeJsonRecord('clusterNode', version, row),
});
export const controllerEntry = (row: ControllerRow): Entry => ({
  key: controllerKey,
  value: encodeJsonRecord('clusterController', version, row),
});
export const shardEntry = (row: ShardRow): Entry => ({
  key: shardKey(row.shard),
  value: encodeJsonRecord('clusterShard', version, row),
});

export const decodeNode = (value: Bytes): NodeRow => decodeJsonRecord('clusterNode', version, value);
export const decodeController = (value: Bytes): ControllerRow =>
  decodeJsonRecord('clusterController', version, value);
export const decodeShard = (value: Bytes): ShardRow => decodeJsonRecord('clusterShard', version, value);

/** It counts as up until somebody says otherwise. */
export function isPresent(
  row: NodeRow | undefined,
): row is NodeRow & { readonly state: 'active' | 'draining' } {
  return row !== undefined && (row.state === 'active' || row.state === 'draining');
}

/** It is given shards, as long as it lives. */
export function takesShards(row: Pick<NodeRow, 'state' | 'roles' | 'weight'> | undefined): boolean {
  return row?.state === 'active' && row.roles.includes('backend') && row.weight > 0;
}

/** The row of a node that is gone without having said so. */
export const endedRow = (row: NodeRow): NodeRow => ({
  ...row,
  state: row.leaving === 'remove' ? 'removed' : 'dead',
});

export function isSameMember(one: Member | undefined, other: Member | undefined): boolean {
  return one?.node === other?.node && one?.incarnation === other?.incarnation;
}

export const memberOf = (row: NodeRow): Member => ({ node: row.node, incarnation: row.incarnation });

/** What of a shard's row stays when it changes hands. */
export const pinOf = (row: ShardRow | undefined): { readonly pinned?: NodeId } =>
  row?.pinned === undefined ? {} : { pinned: row.pinned };
