// A cluster in one process for tests of its administration: real members, authority, directory and configuration over one
// engine in memory, and an admin API for each node. Only the accounts' hosts are left out: shards open and close at once.

import assert from 'node:assert/strict';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { systemRandom } from '../src/base/random.ts';
import { makeCertificateRequest, makeKey } from '../src/cluster/authority/certificates.ts';
import { type ClusterAuthority, createAuthority } from '../src/cluster/authority/cluster-authority.ts';
import {
  type ClusterAdministration,
  openClusterAdministration,
} from '../src/cluster/cluster-administration.ts';
import { ClusterConfigurationStore } from '../src/cluster/cluster-configuration-store.ts';
import { ClusterMember } from '../src/cluster/cluster-member.ts';
import type { NodeListener, NodeRole } from '../src/cluster/membership/cluster-rows.ts';
import { type InternalDirectory, openInternalDirectory } from '../src/directory/internal-directory.ts';
import { openApiTokens } from '../src/directory/tokens.ts';
import type { NodeId } from '../src/mail/ids.ts';
import type { AdminDependencies } from '../src/speakers/http/admin/admin-dependencies.ts';
import type { Engine } from '../src/storage/engine.ts';
import { openMemoryEngine } from '../src/storage/memory-engine.ts';

export interface SiteNode {
  readonly member: ClusterMember;
  readonly administration: ClusterAdministration;
  /** What its admin API acts on. */
  readonly dependencies: AdminDependencies;
  /** Resolves when the operator removed it and it has ended. */
  readonly removed: Promise<void>;
}

export interface ClusterSite extends AsyncDisposable {
  readonly engine: Engine;
  readonly authority: ClusterAuthority;
  readonly directory: InternalDirectory;
  readonly nodes: readonly SiteNode[];
}

interface NodePlan {
  readonly name: string;
  readonly roles?: readonly NodeRole[];
}

/** Far above what a loaded machine needs; a test that waits so long fails. */
const waitMs = 20_000;
const parts = { clock: systemClock, random: systemRandom, log: silentLog };

/** Resolves when all are members and every shard has a host. */
export async function openClusterSite(plans: readonly NodePlan[]): Promise<ClusterSite> {
  const engine = openMemoryEngine();
  const authority = await createAuthority({ engine, ...parts });
  const directory = await openInternalDirectory({
    engine,
    ...parts,
    settings: {
      subAddressSeparators: '+',
      failuresPerAddress: 9,
      failuresPerAccount: 9,
      failuresPerFrontend: 9,
      verifiedCacheMs: 0,
    },
  });
  await directory.addDomain({ name: 'example.test' });
  const tokens = openApiTokens({ engine, ...parts });
  const apiTokens: AdminDependencies['tokens'] = {
    verify: (token) => tokens.verify(token),
    create: (wanted) => tokens.create(wanted),
    list: async () => (await tokens.list({ after: undefined, limit: 1000 })).items,
    revoke: (id) => tokens.revoke(id),
  };
  const nodes: SiteNode[] = [];
  for (const [index, plan] of plans.entries()) {
    await enroll(authority, plan.name);
    nodes.push(openNode({ engine, authority, directory, tokens: apiTokens }, plan, index + 1));
    const { member, administration } = nodes[index]!;
    await member.whenJoined();
    await administration.announce(listenersOf(index + 1));
  }
  for (const { member } of nodes) assert.ok(await member.whenHosted(waitMs));
  return {
    engine,
    authority,
    directory,
    nodes,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map(({ member }) => member.close()));
      tokens[Symbol.dispose]();
      await directory[Symbol.asyncDispose]();
      await engine.close();
    },
  };
}

/** Resolves when this member knows that the node hosts so many shards. */
export async function whenHosting(member: ClusterMember, node: string, shards: number): Promise<void> {
  const isSo = (): boolean =>
    member.status().nodes.find((each) => each.node === node)?.shards === shards &&
    member.status().shardsMoving === 0;
  if (isSo()) return;
  await new Promise<void>((resolve, reject) => {
    const end = member.table.onMoved(() => {
      // The table is still being filled: what it says is asked when it is done.
      queueMicrotask(() => {
        if (isSo()) finish(resolve);
      });
    });
    const finish = (then: () => void): void => {
      end();
      timer.cancel();
      then();
    };
    const timer = systemClock.after(waitMs, () =>
      finish(() => reject(new Error(`${node} does not host ${shards} shards: ${hosting(member)}`))),
    );
  });
}

function hosting(member: ClusterMember): string {
  const { nodes, shardsMoving } = member.status();
  return `${nodes.map(({ node, state, shards }) => `${node} ${state} ${shards}`).join(', ')}; ${shardsMoving} moving`;
}

/** As a machine that joins. */
export async function enroll(authority: ClusterAuthority, name: string): Promise<void> {
  const request = await makeCertificateRequest(name as NodeId, makeKey());
  await authority.enroll({ roles: ['mx'], zone: 'inner' }, name, request);
}

interface Shared extends Pick<ClusterSite, 'engine' | 'authority' | 'directory'> {
  readonly tokens: AdminDependencies['tokens'];
}

function listenersOf(number: number): NodeListener[] {
  return [
    { name: 'imaps', address: '0.0.0.0', port: 993 },
    { name: 'mx', address: `10.0.0.${number}`, port: 25 },
    { name: 'admin', address: `10.0.0.${number}`, port: 2080 },
    { name: 'lmtp', address: '127.0.0.1', port: 24 },
    { name: 'link', address: '0.0.0.0', port: 2433 },
    { name: 'join', address: '0.0.0.0', port: 2434 },
  ];
}

function openNode(
  { engine, authority, directory, tokens }: Shared,
  plan: NodePlan,
  number: number,
): SiteNode {
  const { promise: removed, resolve: onRemoved } = Promise.withResolvers<void>();
  const member = new ClusterMember({
    engine,
    ...parts,
    description: {
      node: plan.name as NodeId,
      roles: plan.roles ?? ['frontend', 'mx', 'backend'],
      weight: 100,
      zone: 'inner',
      address: { host: `10.0.0.${number}`, port: 2433 },
      linkVersions: { min: 1, max: 1 },
      softwareVersion: '0.1.0',
    },
    host: { onShardOpened() {}, onShardReleasing: async () => {}, onShardDropped() {} },
    load: () => ({ openAccounts: 3, sessions: 2, commitsPerSecond: 1.5 }),
    onRemoved,
  });
  const administration = openClusterAdministration({
    member,
    engine,
    authority,
    configuration: new ClusterConfigurationStore(engine, systemClock),
    cell: 'main',
    clock: systemClock,
    pool: { call: () => assert.fail('there are no links here') },
    answer: () => assert.fail('nobody carries requests here'),
    openSessions: async () => [{ node: plan.name as NodeId, service: 'imap', sessions: 4 }],
    site: () => ({ hostname: 'mail.example.test', idle: { imapMs: 3, pop3Ms: 2, smtpMs: 1 } }),
  });
  return {
    member,
    administration,
    removed,
    dependencies: adminDependencies({ engine, directory, tokens }, administration),
  };
}

/** Without accounts' hosts: what needs them is not asked here. */
export function adminDependencies(
  shared: Pick<AdminDependencies, 'engine' | 'directory' | 'tokens'>,
  cluster: ClusterAdministration | undefined,
): AdminDependencies {
  const never = (): never => assert.fail('not a matter of the cluster');
  return {
    ...shared,
    ...parts,
    accounts: { open: never },
    prepareMessage: never,
    checkStore: never,
    metricsText: async () => ({ contentType: 'text/plain', body: '' }),
    unreadyReason: () => (cluster?.isDraining() === true ? 'drained' : undefined),
    areasForOuterZone: () => ['password', 'directory'],
    effectiveConfig: never,
    reload: never,
    cluster,
    version: '0.1.0',
    messageBytesMax: 1024,
  };
}
