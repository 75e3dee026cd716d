// What is between the processes breaks under load: PostgreSQL is killed and started again, its connections are cut, the
// links between two nodes carry nothing. Clients see a pause; nothing is lost, nothing twice. (PROMISES 38, 72, 76.)

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { missingPostgres } from '../postgres-server.ts';
import { deliver, freshSeen, makeMail, openInbox } from './client-sessions.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];
/** Longer than links wait before they give a silent peer up. */
const cutMs = 5_000;

test(`what connects the nodes breaks, CLUSTER_SEED=${seed}`, { skip: missingPostgres() }, async (t) => {
  await using cluster = await ClusterProcesses.start({ users, relayed: true });
  const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];

  const underLoad = async (what: string, hit: () => Promise<void>): Promise<ClusterLoad> => {
    using load = new ClusterLoad(cluster, seededRandom(seed), { title: `${what}, CLUSTER_SEED=${seed}` });
    await load.start();
    await load.untilAcknowledged(100);
    await load.fault(what, hit);
    await load.untilAllWork();
    await load.during(cluster.untilBalanced());
    await load.untilAcknowledged(100);
    await load.stopAndCheck();
    return load;
  };

  await t.test("PostgreSQL's connections are cut", async () => {
    const load = await underLoad('connections cut', () => cluster.cutStoreConnections());
    load.assertUntroubled();
  });

  await t.test('PostgreSQL crashes and comes back', async () => {
    const load = await underLoad('crash of PostgreSQL', async () => {
      await cluster.postgres.stop('SIGKILL');
      await cluster.postgres.restart();
    });
    load.assertUntroubled();
  });

  await t.test('PostgreSQL is away for longer than the leases', async () => {
    await underLoad('PostgreSQL away', async () => {
      await cluster.postgres.stop('SIGINT');
      await systemClock.sleep(cutMs);
      await cluster.postgres.restart();
    });
  });

  await t.test(
    'links between two nodes are cut: their sessions pause, the others do not notice',
    async () => {
      await cluster.place(['alice'], two);
      const cutOff = await openInbox(one, 'alice');
      cutOff.write('i IDLE\r\n');
      await cutOff.until('+ ');
      assert.ok(two.relay.connections > 0, 'nodes are called where cluster.address says');
      const load = await underLoad('links cut', async () => {
        cluster.cutLinks(one, two);
        const since = systemClock.monotonic();
        await deliver(three, 'alice', [makeMail('not through the cut')]);
        await systemClock.sleep(Math.max(0, cutMs - (systemClock.monotonic() - since)));
        cluster.mendLinks(one, two);
      });
      load.assertUntroubled();
      await cutOff.command('DONE', 'i OK');
      cutOff.write('n NOOP\r\n');
      await cutOff.until('n OK');
      cutOff.write('u UID FETCH 1:* (FLAGS)\r\n');
      const told = (await cutOff.until('u OK')).filter((line) => line.includes('FETCH')).length;
      assert.equal(told, (await freshSeen(three, 'alice')).length);
      cutOff.end();
    },
  );

  await cluster.stop(lostLeaseErrors);
});
