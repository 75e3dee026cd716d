// What a node of the outer zone that was broken into does to the inner nodes themselves: how often it asks, how much it makes
// them keep, what it sends that only looks like a request. Each is a test of its own, and others are served meanwhile. What can be
// told with one server of links is in test/adversary/links.test.ts and src/cluster/links/hostile-peer.test.ts.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { makeCertificateRequest, makeKey } from '../../src/cluster/authority/certificates.ts';
import { joinCluster } from '../../src/cluster/authority/join-cluster.ts';
import { controlFrame, frameTypes } from '../../src/cluster/links/frame.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import { HostileLink } from '../adversary/hostile-link.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';
import { outerToken, Thief, until } from './outer-node.ts';

export interface HostileNodeOptions {
  readonly t: TestContext;
  readonly cluster: ClusterProcesses;
  /** Whether others are served: rejects when they are not. */
  readonly serves: () => Promise<void>;
}

interface Rogue {
  readonly thief: Thief;
  readonly host: NodeProcess;
}

export async function actAsHostileNode({ t, cluster, serves }: HostileNodeOptions): Promise<void> {
  const host = cluster.up[0]!;
  const through = { host: host.host, port: host.server.ports.join };
  const token = await outerToken(cluster);
  const joined = await joinCluster(token, through, { node: 'rogue', clock: systemClock });
  await using thief = new Thief(joined.credentials);
  const rogue = { thief, host };
  await t.test('heartbeats as fast as they go, each of another run', () => beatWildly(rogue, cluster));
  await serves();
  await t.test('requests that would be gigabytes once decoded', () => sendBombs(rogue));
  await serves();
  await t.test('long messages that are called off again and again, or never come', () => beginWildly(rogue));
  await serves();
  await t.test('a key that was renewed, once the new one was shown', () => useOldKey(rogue));
  await serves();
}

async function beatWildly({ thief, host }: Rogue, cluster: ClusterProcesses): Promise<void> {
  const beat = (isLeaving: boolean) => ({
    service: 'cluster',
    method: 'heartbeat',
    given: {
      incarnation: systemRandom.identifier(16),
      roles: ['frontend'],
      host: '127.0.0.9',
      linkVersions: { min: 1, max: 1 },
      softwareVersion: 'stolen',
      listeners: [],
      sessions: 0,
      isLeaving,
    },
  });
  const startedAt = systemClock.monotonic();
  const said = await Promise.allSettled(
    Array.from({ length: 400 }, (_, index) => thief.call(host, beat(index % 2 === 0))),
  );
  const seconds = (systemClock.monotonic() - startedAt) / 1_000;
  const answered = said.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(answered <= 8 + Math.ceil(4 * seconds), `${answered} in ${seconds} s`);
  assert.ok(said.some((each) => each.status === 'rejected' && isMailError(each.reason, 'limitReached')));
  const edge = (await cluster.status()).nodes.find(({ node }) => node === 'edge');
  assert.equal(edge?.state, 'active');
}

const openLink = ({ thief, host }: Rogue): Promise<HostileLink> =>
  HostileLink.open(thief.credentials, {
    node: host.name,
    host: host.host,
    port: host.server.ports.link,
  });

async function sendBombs(rogue: Rogue): Promise<void> {
  const objects = Buffer.alloc(2 * 1024 * 1024, 0x80);
  objects[0] = 0xdd;
  objects.writeUInt32BE(objects.length - 5, 1);
  const arrays = Buffer.from('dd01c9c380'.repeat(1_000), 'hex');
  const nested = Buffer.from('dc4000'.repeat(5_000), 'hex');
  for (const bomb of [objects, arrays, nested]) {
    using link = await openLink(rogue);
    link.say(1, bomb);
    await until(async () => !link.isOpen);
  }
}

async function beginWildly(rogue: Rogue): Promise<void> {
  const long = 100 * 1024 * 1024;
  using link = await openLink(rogue);
  for (let stream = 1; stream <= 5_000; stream++) {
    link.begin(stream, long);
    link.send(controlFrame(frameTypes.cancel, stream));
    if (stream % 500 === 0) await link.heard();
  }
  for (let stream = 5_001; stream <= 5_100; stream++) link.begin(stream, long);
  await link.heard();
  assert.equal(link.isOpen, true);
}

async function useOldKey({ thief, host }: Rogue): Promise<void> {
  const { node, authorities } = thief.credentials;
  const renew = async (by: Thief): Promise<Thief> => {
    const key = makeKey();
    const request = await makeCertificateRequest(node as NodeId, key);
    const asked = { service: 'cluster', method: 'renewCertificate', given: { request } };
    const { certificate } = (await by.call(host, asked)) as { certificate: string };
    return new Thief({ node, authorities, certificate, key });
  };
  await using _ = await renew(thief);
  // The first answer was lost, as far as anybody knows.
  await using renewed = await renew(thief);
  const places = { service: 'cluster', method: 'places', given: {} };
  await renewed.call(host, places);
  await assert.rejects(renew(thief), (error) => !isMailError(error, 'limitReached'));
  // Its links end, and it makes no more.
  await until(() =>
    thief.call(host, places).then(
      () => false,
      () => true,
    ),
  );
  await using again = new Thief(thief.credentials);
  await assert.rejects(again.call(host, places));
  await renewed.call(host, places);
}
