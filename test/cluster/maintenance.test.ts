// What an administrator does to a running cluster: drain, undrain, join and a rolling restart of all nodes, under load.
// No command fails on a session of another node. (PROMISES 19, 23, 26, 64, 97.)

import { test } from 'node:test';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { missingPostgres } from '../postgres-server.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];

const title = `drain, join and rolling restart under load, CLUSTER_SEED=${seed}`;

test(title, { skip: missingPostgres() }, async () => {
  await using cluster = await ClusterProcesses.start({ users });
  const [, two] = cluster.nodes as [NodeProcess, NodeProcess];
  using load = new ClusterLoad(cluster, seededRandom(seed), { title });
  await load.start();
  await load.fault('drain', () => cluster.drain(two));
  await load.untilAllWork();
  await load.fault('undrain', () => cluster.undrain(two));
  await load.during(cluster.untilBalanced());
  await load.fault('join of a fourth node', () => cluster.addNode());
  await load.during(cluster.untilBalanced());
  await load.untilAllWork();
  load.assertUntroubled();
  for (const node of cluster.nodes) {
    const since = load.troubles.length;
    await load.fault(`restart of ${node.name}`, async () => {
      await node.terminate();
      await node.start();
      await cluster.untilBalanced();
    });
    await load.untilAllWork();
    load.assertUntroubled(since, node);
  }
  await load.stopAndCheck();
  await cluster.stop();
});
