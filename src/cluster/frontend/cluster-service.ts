// The cluster for nodes of the outer zone: where shards are, what their own configuration says, and their row, which
// is written for them.
// Invariants: a node says things of itself only, and never what it may be: its roles and zone are those it was enrolled
// with, and it takes no shards; of the configuration it is told what is for it, and nothing of the store; of other
// nodes, names and link addresses of those it may ask; and it is answered, and changes its row, so often at the most
// (question-pace.ts), whatever it says.
// Fails as the engine does.

import type { Clock } from '../../base/clock.ts';
import type { NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Engine } from '../../storage/engine.ts';
import { type ClusterAuthority, outerZone } from '../authority/cluster-authority.ts';
import { type NodePlace, nodePlacesMax } from '../authority/join-protocol.ts';
import { nodeDefaults } from '../cluster-configuration.ts';
import type { ClusterConfigurationStore } from '../cluster-configuration-store.ts';
import type { LinkPeer } from '../links/link-server.ts';
import type { LinkService } from '../links/serving-link.ts';
import {
  clusterTopic,
  decodeNode,
  isPresent,
  type NodeRow,
  nodeEntry,
  nodeKey,
} from '../membership/cluster-rows.ts';
import type { ClusterView } from '../membership/cluster-view.ts';
import {
  type ClusterAnswer,
  type ClusterMethod,
  type ClusterQuestion,
  clusterMethods,
} from './cluster-protocol.ts';
import { hasMethod, parseMethodQuestion } from './link-protocol.ts';
import { type Pace, QuestionPace } from './question-pace.ts';

export interface ClusterServiceOptions {
  readonly engine: Engine;
  readonly authority: ClusterAuthority;
  readonly settings: ClusterConfigurationStore;
  /** As this node knows the rows. */
  readonly view: () => ClusterView;
  /** Another text for each run of this program: versions of its view are its own. */
  readonly run: string;
  readonly clock: Clock;
}

/** The controller may change a row at the same moment. */
const attemptsMax = 5;

/**
 * A heartbeat is a commit, and one of another run reads who is enrolled and may be news for all nodes; they come each second. A
 * table of shards is asked for with each, and again when a place was found wrong. The configuration is read when it changes, a
 * certificate is made once in two months, and again within the hour when its answer was lost.
 */
const paces: Readonly<Record<ClusterMethod, Pace>> = {
  heartbeat: { everyMs: 250, burst: 8 },
  places: { everyMs: 20, burst: 100 },
  configuration: { everyMs: 500, burst: 10 },
  renewCertificate: { everyMs: 5 * 60_000, burst: 4 },
};

export type ClusterPace = QuestionPace<ClusterMethod>;

export function makeClusterPace(clock: Clock): ClusterPace {
  return new QuestionPace(paces, clock);
}

type Handlers = {
  readonly [Method in ClusterMethod]: (question: ClusterQuestion<Method>) => Promise<ClusterAnswer<Method>>;
};

/** For a link of one peer; `pace`: that of all its links. */
export function openClusterService(
  options: ClusterServiceOptions,
  peer: LinkPeer,
  pace: ClusterPace,
): LinkService {
  const handlers: Handlers = {
    heartbeat: (said) => beat(options, peer.node, said),
    places: async ({ known }) => places(options, known),
    configuration: async () => {
      const { version, ...settings } = await options.settings.current();
      const { storage: _, ...rest } = nodeDefaults(settings, peer.node);
      return { version, settings: rest };
    },
    renewCertificate: async ({ request }) => {
      const present = { node: peer.node, publicKeyDigest: peer.keyDigest };
      const { certificate, authorities } = await options.authority.renew(present, request);
      return { certificate, authorities: [...authorities] };
    },
  };
  return async (call) => {
    const { method } = call;
    if (!hasMethod(clusterMethods, method) || call.held)
      throw new MailError('permissionDenied', `the cluster has no ${method} for this node`);
    const question = parseMethodQuestion(clusterMethods, method, call.arguments);
    pace.take(method);
    return handlers[method](question as never);
  };
}

/** Nodes with the engine that are up. */
export function innerNodePlaces(view: ClusterView): NodePlace[] {
  const places: NodePlace[] = [];
  for (const { row } of view.nodes.values()) {
    if (isPresent(row) && row.zone !== outerZone) places.push({ node: row.node, ...row.address });
  }
  return places;
}

function places({ view, run }: ClusterServiceOptions, known: string | undefined): ClusterAnswer<'places'> {
  const present = view();
  const version = `${run}.${present.version}`;
  if (version === known) return { version };
  const nodes = innerNodePlaces(present).slice(0, Math.max(nodePlacesMax, present.nodes.size));
  const indexes = new Map(nodes.map(({ node }, index) => [node as NodeId, index]));
  const owners: number[] = [];
  const epochs: number[] = [];
  for (const shard of present.shards) {
    const owner = shard?.row.owner;
    const isServed = owner !== undefined && present.isUp(owner);
    owners.push(isServed ? (indexes.get(owner.node) ?? -1) : -1);
    epochs.push(shard?.row.epoch ?? 0);
  }
  return { version, table: { nodes, owners, epochs } };
}

async function beat(
  options: ClusterServiceOptions,
  node: NodeId,
  said: ClusterQuestion<'heartbeat'>,
): Promise<ClusterAnswer<'heartbeat'>> {
  const { engine, settings } = options;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const bytes = await engine.get(nodeKey(node));
    const before = bytes === undefined ? undefined : decodeNode(bytes);
    if (before?.state === 'removed') return { isDraining: true, isRemoved: true, configurationVersion: 0 };
    const row = await nextRow(options, { node, said, before });
    const result = await engine.commit({
      conditions: [{ key: nodeKey(node), expected: bytes }],
      puts: [nodeEntry(row)],
      signals: before?.state === row.state ? [] : [clusterTopic],
    });
    if (result.outcome !== 'committed') continue;
    const isDraining = row.state !== 'active';
    const { version } = await settings.current();
    return { isDraining, isRemoved: row.state === 'removed', configurationVersion: version };
  }
  throw new MailError('conflict', 'the row of this node keeps changing; try again');
}

async function nextRow(
  { authority }: ClusterServiceOptions,
  { node, said, before }: { node: NodeId; said: ClusterQuestion<'heartbeat'>; before: NodeRow | undefined },
): Promise<NodeRow> {
  const { incarnation, host, linkVersions, softwareVersion, listeners, sessions, weight, isLeaving } = said;
  const isSameRun = before !== undefined && before.incarnation === incarnation;
  const roles = isSameRun ? before.roles : await enrolledRoles(authority, node, said.roles);
  const { drained, leaving } = before ?? {};
  const isRemoval = leaving === 'remove';
  // A heartbeat that was on its way when it said good-bye changes nothing.
  const hasLeft = isLeaving || (isSameRun && before.state === 'left');
  const going = isRemoval ? 'removed' : hasLeft ? 'left' : undefined;
  return {
    node,
    revision: (before?.revision ?? 0) + 1,
    incarnation,
    beat: isSameRun ? before.beat + 1 : 1,
    state: going ?? (drained === true ? 'draining' : 'active'),
    ...(drained === undefined ? {} : { drained }),
    roles,
    weight,
    zone: outerZone,
    // Nobody calls it; balancers send clients there.
    address: { host, port: 0 },
    linkVersions,
    softwareVersion,
    listeners,
    load: { openAccounts: 0, sessions, commitsPerSecond: 0 },
  };
}

/** Those it asks for, as far as it was enrolled with them; hosting accounts is none of them, whatever was written. */
async function enrolledRoles(
  authority: ClusterAuthority,
  node: NodeId,
  wanted: NodeRow['roles'],
): Promise<NodeRow['roles']> {
  const enrolled = (await authority.enrolledNodes()).find((each) => each.node === node);
  if (enrolled === undefined || enrolled.zone !== outerZone)
    throw new MailError('permissionDenied', `${node} is no node of the outer zone of this cluster`);
  return wanted.filter((role) => role !== 'backend' && enrolled.roles.includes(role));
}
