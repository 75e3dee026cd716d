// Two frontends that host nothing, three backends that no client reaches, HAProxy before them, and clients that work all the
// time: backends are killed, frozen beyond their lease, drained, stopped and started, in an order that the seed chooses.
// No session on a frontend is lost and no command fails, whatever the client: a pause is all they see.
// CLUSTER_SEED=N repeats the order, CLUSTER_ROUNDS=N does it so many times, CLUSTER_REPORT=FILE keeps the times.
// (PROMISES 2, 33, 63, 100; the "What a client sees".)

import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, seededRandom, systemRandom } from '../../src/base/random.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms } from '../run-program.ts';
import { ClusterLoad } from './cluster-load.ts';
import { type ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import { FrontBalancer } from './front-balancer.ts';
import type { NodeProcess } from './node-process.ts';
import { startTieredCluster } from './tiered-cluster.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const rounds = Number(process.env.CLUSTER_ROUNDS ?? 1);
const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];
/** Others have its accounts by then. */
const frozenMs = 5_000;

/** What happens to a backend, and how that ends. */
interface Loss {
  readonly begin: (cluster: ClusterProcesses, node: NodeProcess) => Promise<void>;
  readonly end: (cluster: ClusterProcesses, node: NodeProcess) => Promise<void>;
}

const losses: Readonly<Record<string, Loss>> = {
  kill: { begin: (_, node) => node.kill(), end: (_, node) => node.start() },
  drain: {
    begin: (cluster, node) => cluster.drain(node),
    end: (cluster, node) => cluster.undrain(node),
  },
  freeze: {
    begin: async (_, node) => {
      node.freeze();
      await systemClock.sleep(frozenMs);
    },
    end: async (_, node) => node.thaw(),
  },
  stop: { begin: (_, node) => node.terminate(lostLeaseErrors), end: (_, node) => node.start() },
};

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const left = [...values];
  return values.map(() => left.splice(random.integer(left.length), 1)[0]!);
}

const title = `backends go, sessions on frontends stay, CLUSTER_SEED=${seed} CLUSTER_ROUNDS=${rounds}`;

test(title, { skip: missingPostgres() || missingPrograms('haproxy') }, async () => {
  const random = seededRandom(seed);
  const { cluster, backends, balancerAddress } = await startTieredCluster(users, 3);
  await using _cluster = cluster;
  await using balancer = await FrontBalancer.start({ address: balancerAddress, through: backends[0]! });
  using load = new ClusterLoad(cluster, seededRandom(seed), { title });
  await load.start([balancer]);
  for (let round = 0; round < rounds; round++)
    for (const name of shuffled(Object.keys(losses), random)) {
      const node = backends[random.integer(backends.length)]!;
      process.stdout.write(`# ${name}: ${node.name}\n`);
      await load.fault(name, () => losses[name]!.begin(cluster, node));
      await load.untilAllWork();
      await load.during(losses[name]!.end(cluster, node));
      await load.during(cluster.untilBalanced());
      await load.untilAcknowledged(users.length);
      load.assertUntroubled();
    }
  await load.stopAndCheck();
  await cluster.stop(lostLeaseErrors);
});
