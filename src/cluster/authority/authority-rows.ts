// How the cluster's authority lies in the engine, under ('authority', …): JSON in checksummed records.
//
//   authority                     the cluster's id and its authorities
//   authority, token, id          a join token: what it allows, and a digest of its secret
//   authority, node, name         a node that was enrolled: who has the name, and with which key
//
// The authority's key is protected by nothing but the engine's own protection: whoever can read the engine has all the
// mail already. Nodes without engine access (frontends of the outer zone) never see it.
// A damaged row throws RecordDamaged.

import type { NodeId } from '../../mail/ids.ts';
import type { Bytes, Entry } from '../../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';
import { encodeTuple, tuplePrefixRange } from '../../storage/tuple.ts';
import type { NodeRole } from '../membership/cluster-rows.ts';
import type { AuthorityPair } from './certificates.ts';

const root = 'authority';
const version = 1;

export interface AuthorityRow {
  /** 16 characters of [a-z2-7], chosen once. */
  readonly cluster: string;
  /** The first one issues, all are accepted: more than one while an authority is being replaced. */
  readonly authorities: readonly AuthorityPair[];
}

/** What a node may be. */
export interface Admission {
  readonly roles: readonly NodeRole[];
  readonly zone: string;
}

export interface JoinTokenRow extends Admission {
  readonly id: string;
  /** SHA-256 of the secret, base64: the secret is ours and random, so nothing slower is needed. */
  readonly digest: string;
  readonly createdAt: number;
  /** Wall clock, milliseconds: minutes and hours, so that machines whose clocks differ by seconds agree. */
  readonly expiresAt: number;
  readonly usesLeft: number;
}

export interface EnrolledNode extends Admission {
  readonly node: NodeId;
  /** SHA-256 of its public key, base64. */
  readonly keyDigest: string;
  /** The key that its last renewal was asked with, until the new one is shown: it may not have got the answer. */
  readonly previousKeyDigest?: string;
  /** The token it came with; undefined: the cluster's first node. */
  readonly token?: string;
  readonly enrolledAt: number;
  /** When its newest certificate ends. */
  readonly certificateEndsAt: number;
}

export const authorityKey: Bytes = encodeTuple([root]);
export const tokenKey = (id: string): Bytes => encodeTuple([root, 'token', id]);
export const tokenRange = tuplePrefixRange([root, 'token']);
export const enrolledKey = (node: NodeId): Bytes => encodeTuple([root, 'node', node]);
export const enrolledRange = tuplePrefixRange([root, 'node']);

export const authorityEntry = (row: AuthorityRow): Entry => ({
  key: authorityKey,
  value: encodeJsonRecord('clusterAuthority', version, row),
});
export const tokenEntry = (row: JoinTokenRow): Entry => ({
  key: tokenKey(row.id),
  value: encodeJsonRecord('joinToken', version, row),
});
export const enrolledEntry = (row: EnrolledNode): Entry => ({
  key: enrolledKey(row.node),
  value: encodeJsonRecord('enrolledNode', version, row),
});

export const decodeAuthority = (value: Bytes): AuthorityRow =>
  decodeJsonRecord('clusterAuthority', version, value);
export const decodeToken = (value: Bytes): JoinTokenRow => decodeJsonRecord('joinToken', version, value);
export const decodeEnrolled = (value: Bytes): EnrolledNode =>
  decodeJsonRecord('enrolledNode', version, value);
