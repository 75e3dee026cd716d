// Faults at random under load, seeded: nodes killed, frozen, stopped and started, links cut, PostgreSQL crashed and cut
// off, drains. After each the cluster recovers, and at the end everything acknowledged is there, once.
// CLUSTER_SEED=N repeats the choice of faults, CLUSTER_MINUTES=N makes it longer, CLUSTER_NODES=N larger.
// (PROMISES 2, 33, 64, 76, 102.)

import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { missingPostgres } from '../postgres-server.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const minutes = Number(process.env.CLUSTER_MINUTES ?? 0.5);
const nodes = Number(process.env.CLUSTER_NODES ?? 3);
const users = Array.from({ length: 10 }, (_, index) => `user${index}`);

interface Scene {
  readonly cluster: ClusterProcesses;
  readonly node: NodeProcess;
  readonly other: NodeProcess;
  readonly random: Random;
}

/** Each ends with everything mended. */
const faults: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  kill: async ({ node, random }) => {
    await node.kill();
    await systemClock.sleep(random.integer(5_000));
    await node.start();
  },
  killTwo: async ({ node, other }) => {
    await Promise.all([node.kill(), other.kill()]);
    await Promise.all([node.start(), other.start()]);
  },
  freeze: async ({ node, random }) => {
    node.freeze();
    await systemClock.sleep(500 + random.integer(6_000));
    node.thaw();
  },
  restart: async ({ node }) => {
    await node.terminate(lostLeaseErrors);
    await node.start();
  },
  drain: async ({ cluster, node, random }) => {
    await cluster.drain(node);
    await systemClock.sleep(random.integer(1_000));
    await cluster.undrain(node);
  },
  cutLinks: async ({ cluster, node, other, random }) => {
    cluster.cutLinks(node, other);
    await systemClock.sleep(random.integer(6_000));
    cluster.mendLinks(node, other);
  },
  cutLinksAndKill: async ({ cluster, node, other }) => {
    cluster.cutLinks(node, other);
    await systemClock.sleep(1_000);
    await node.kill();
    await node.start();
    cluster.mendLinks(node, other);
  },
  crashOfPostgres: async ({ cluster, random }) => {
    await cluster.postgres.stop('SIGKILL');
    await systemClock.sleep(random.integer(1_500));
    await cluster.postgres.restart();
  },
  killDuringCrashOfPostgres: async ({ cluster, node }) => {
    await Promise.all([cluster.postgres.stop('SIGKILL'), node.kill()]);
    await cluster.postgres.restart();
    await node.start();
  },
};

const title = `faults at random for ${minutes} min, CLUSTER_SEED=${seed} CLUSTER_NODES=${nodes}`;

test(title, { skip: missingPostgres() }, async () => {
  const random = seededRandom(seed);
  await using cluster = await ClusterProcesses.start({ users, nodes, relayed: true });
  using load = new ClusterLoad(cluster, systemRandom);
  await load.start();
  const until = systemClock.monotonic() + minutes * 60_000;
  while (systemClock.monotonic() < until) {
    const names = Object.keys(faults);
    const name = names[random.integer(names.length)]!;
    const first = random.integer(nodes);
    const node = cluster.nodes[first]!;
    const other = cluster.nodes[(first + 1 + random.integer(nodes - 1)) % nodes]!;
    await load.during(systemClock.sleep(random.integer(500)));
    process.stdout.write(`# ${name}: ${node.name}, ${other.name}\n`);
    await load.fault(name, () => faults[name]!({ cluster, node, other, random }));
    await load.untilAllWork();
    await load.during(cluster.untilBalanced());
  }
  await load.stopAndCheck();
  await cluster.stop(lostLeaseErrors);
});
