// Faults at random under load, seeded, with three nodes and with five: nodes killed (up to all but one at once), frozen,
// stopped and started, links cut, PostgreSQL crashed, its connections cut, its disk slow or full, drains. All clients come
// through HAProxy. After each fault the cluster recovers by itself, and at the end everything acknowledged is there, once.
// CLUSTER_SEED=N repeats the choice of faults, CLUSTER_MINUTES=N makes it longer, CLUSTER_NODES=N has so many nodes,
// CLUSTER_FAULTS=slowDisk,fullDisk chooses among these only, and CLUSTER_REPORT=FILE keeps the times (fault-report.ts).
// (PROMISES 2, 33, 64, 76, 102.)

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { loopbackNetwork } from '../loopback-network.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms } from '../run-program.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import { missingFullDisk, missingSlowDisk, SmallDisk, slowDisk } from './disk-faults.ts';
import { FrontBalancer, settingsBehind } from './front-balancer.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const minutesWanted = process.env.CLUSTER_MINUTES;
/** Sizes to minutes: the short form, or what was asked for. */
const runs: readonly (readonly [number, number])[] =
  process.env.CLUSTER_NODES === undefined
    ? [
        [3, Number(minutesWanted ?? 0.6)],
        [5, Number(minutesWanted ?? 0.4)],
      ]
    : [[Number(process.env.CLUSTER_NODES), Number(minutesWanted ?? 0.6)]];
/** Of PostgreSQL's processes together; each commit waits for one or two. Without a limit there are some hundred. */
const slowWritesPerSecond = 3;
/** Ten times what the load writes; what is not used takes no memory. */
const diskMegabytes = (minutes: number): number => 1_000 + 1_000 * minutes;
const users = Array.from({ length: 10 }, (_, index) => `user${index}`);

interface Scene {
  readonly cluster: ClusterProcesses;
  readonly node: NodeProcess;
  readonly other: NodeProcess;
  readonly random: Random;
  /** Where the rows of PostgreSQL lie; undefined: with the rest of it. */
  readonly disk: SmallDisk | undefined;
}

/** Each ends with everything mended. */
const faults: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  kill: async ({ node, random }) => {
    await node.kill();
    await systemClock.sleep(random.integer(5_000));
    await node.start();
  },
  killAllButOne: async ({ cluster, other }) => {
    const killed = cluster.nodes.filter((each) => each !== other);
    await Promise.all(killed.map((each) => each.kill()));
    await Promise.all(killed.map((each) => each.start()));
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
  cutConnections: ({ cluster }) => cluster.cutStoreConnections(),
  killDuringCrashOfPostgres: async ({ cluster, node }) => {
    await Promise.all([cluster.postgres.stop('SIGKILL'), node.kill()]);
    await cluster.postgres.restart();
    await node.start();
  },
  slowDisk: async ({ cluster, random }) => {
    using _slow = slowDisk(cluster.postgres, slowWritesPerSecond);
    await systemClock.sleep(2_000 + random.integer(3_000));
  },
  fullDisk: async ({ disk, random }) => {
    disk!.fill();
    await systemClock.sleep(2_000 + random.integer(3_000));
    disk!.free();
  },
};

/** Those that this machine cannot have are left out, with the reason. */
function possibleFaults(): string[] {
  const missing: Readonly<Record<string, string | false>> = {
    slowDisk: missingSlowDisk(),
    fullDisk: missingFullDisk(),
  };
  const wanted = process.env.CLUSTER_FAULTS?.split(',') ?? Object.keys(faults);
  return wanted.filter((name) => {
    assert.ok(Object.hasOwn(faults, name), `there is no fault ${name}`);
    const reason = missing[name] ?? false;
    if (reason !== false) process.stdout.write(`# without ${name}: ${reason}\n`);
    return reason === false;
  });
}

/** All in a random order, then all in another one. */
function* draw(names: readonly string[], random: Random): Generator<string, never> {
  assert.ok(names.length > 0, 'there is no fault to choose');
  for (;;) {
    const left = [...names];
    while (left.length > 0) yield left.splice(random.integer(left.length), 1)[0]!;
  }
}

for (const [nodes, minutes] of runs) {
  const title = `faults at random for ${minutes} min, CLUSTER_SEED=${seed} CLUSTER_NODES=${nodes}`;
  test(title, { skip: missingPostgres() || missingPrograms('haproxy') }, () =>
    withFaults({ nodes, minutes, title }),
  );
}

interface Run {
  readonly nodes: number;
  readonly minutes: number;
  readonly title: string;
}

async function withFaults({ nodes, minutes, title }: Run): Promise<void> {
  // Each size has an order of its own.
  const random = seededRandom(seed + nodes);
  const drawn = draw(possibleFaults(), random);
  using disk = missingFullDisk() === false ? new SmallDisk(diskMegabytes(minutes)) : undefined;
  const network = loopbackNetwork();
  const address = `${network}.100`;
  await using cluster = await ClusterProcesses.start({
    users,
    nodes,
    relayed: true,
    network,
    settings: settingsBehind(address),
    ...(disk === undefined ? {} : { databaseFolder: disk.folder }),
  });
  await using balancer = await FrontBalancer.start({ address, through: cluster.nodes[0]! });
  // The clients' own, drawn in the order in which they come to it: the choice of faults does not depend on them.
  using load = new ClusterLoad(cluster, seededRandom(seed), { title });
  await load.start([balancer]);
  const until = systemClock.monotonic() + minutes * 60_000;
  while (systemClock.monotonic() < until) {
    const name = drawn.next().value;
    const first = random.integer(nodes);
    const node = cluster.nodes[first]!;
    const other = cluster.nodes[(first + 1 + random.integer(nodes - 1)) % nodes]!;
    await load.during(systemClock.sleep(random.integer(500)));
    process.stdout.write(`# ${name}: ${node.name}, ${other.name}\n`);
    await load.fault(name, () => faults[name]!({ cluster, node, other, random, disk }));
    await load.untilAllWork();
    await load.during(cluster.untilBalanced());
    await load.untilAcknowledged(users.length);
  }
  await load.stopAndCheck();
  await cluster.stop(lostLeaseErrors);
}
