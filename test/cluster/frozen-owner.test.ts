// A node that is frozen (SIGSTOP) beyond its lease while it owns accounts and has writes on the way, and then goes on: its
// writes are refused, nothing is lost and nothing is written twice. (PROMISES 46, 63, 104.)

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import type { ShardId } from '../../src/mail/ids.ts';
import { fenceKey } from '../../src/storage/fence.ts';
import { missingPostgres } from '../postgres-server.ts';
import { beginDelivery, freshSeen, makeMail, openInbox, openLmtp, subjectsOf } from './client-sessions.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];

const title = `an owner frozen beyond its lease, CLUSTER_SEED=${seed}`;

test(title, { skip: missingPostgres() }, async (t) => {
  await using cluster = await ClusterProcesses.start({ users });
  const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];

  const untilOwnerChanged = async (): Promise<void> => {
    await cluster.until('the frozen node is dead', (status) => stateOf(status, two) === 'dead', one);
    for (const user of users) assert.notEqual(await cluster.hostOf(user, one), two);
  };

  await t.test('commits that were applied while their answers were lost are not applied again', async () => {
    const writers = ['erin', 'frank', 'grace'];
    await cluster.place(writers, two);
    const [erin, grace] = [await openInbox(one, 'erin'), await openInbox(one, 'grace')];
    const message = makeMail('before');
    await grace.command(`a APPEND INBOX {${message.length}+}\r\n${message}`, 'a OK');
    await grace.command('m CREATE Elsewhere', 'm OK');
    const lmtp = await openLmtp(one);
    await beginDelivery(lmtp, ['frank']);
    // The commits of their shards reach PostgreSQL and wait there.
    await using blocked = await blockShards(cluster, writers);
    const appended = makeMail('once');
    erin.write(`c APPEND INBOX {${appended.length}+}\r\n${appended}\r\n`);
    lmtp.write(`${makeMail('once')}.\r\n`);
    grace.write('c MOVE 1 Elsewhere\r\n');
    await blocked.untilSomebodyWaits();
    two.freeze();
    await blocked.releaseUntilApplied();
    assert.match((await erin.until('c ')).at(-1)!, /^c OK .*APPENDUID/);
    assert.match((await grace.until('c ')).at(-1)!, /^c OK/);
    assert.match(await lmtp.reply(), /^250/);
    await untilOwnerChanged();
    two.thaw();
    await cluster.untilBalanced();
    for (const user of ['erin', 'frank']) assert.deepEqual(await subjectsOf(three, user), ['once'], user);
    assert.deepEqual(await subjectsOf(three, 'grace'), []);
    assert.match(await grace.command('e STATUS Elsewhere (MESSAGES)', '* STATUS'), /MESSAGES 1\)/);
    for (const session of [erin, grace, lmtp]) session.end();
  });

  await t.test('writes that reach it before it is frozen are answered by the next owner, once', async () => {
    await cluster.place(['alice', 'bob'], two);
    const flagging = await openInbox(one, 'alice');
    const appended = makeMail('appended');
    await flagging.command(`a APPEND INBOX {${appended.length}+}\r\n${appended}`, 'a OK');
    const lmtp = await openLmtp(one);
    await beginDelivery(lmtp, ['alice', 'bob']);
    two.freeze();
    // On their way to a process that does not run: they lie in its sockets until it goes on.
    flagging.write('c STORE 1 +FLAGS (\\Flagged)\r\n');
    lmtp.write(`${makeMail('in flight')}.\r\n`);
    assert.match((await flagging.until('c ')).at(-1)!, /^c OK/);
    for (let answers = 0; answers < 2; answers++) assert.match(await lmtp.reply(), /^250/);
    await untilOwnerChanged();
    const before = await freshSeen(three, 'alice');
    two.thaw();
    await two.server.logged((line) => line.msg.includes('declared dead'));
    await cluster.untilBalanced();
    // What it did with what lay in its sockets changed nothing.
    assert.deepEqual(await freshSeen(three, 'alice'), before);
    assert.deepEqual(await subjectsOf(two, 'alice'), ['appended', 'in flight']);
    assert.deepEqual(await subjectsOf(three, 'bob'), ['in flight']);
    flagging.end();
    lmtp.end();
  });

  await t.test(
    'a session on the frozen node itself: what it asked is done by the new owner when it goes on',
    async () => {
      await cluster.place(['carol'], two);
      const session = await openInbox(two, 'carol');
      const message = makeMail('through the frozen one');
      two.freeze();
      session.write(`a APPEND INBOX {${message.length}+}\r\n${message}\r\n`);
      await untilOwnerChanged();
      const elsewhere = await openInbox(three, 'carol');
      const other = makeMail('meanwhile');
      await elsewhere.command(`a APPEND INBOX {${other.length}+}\r\n${other}`, 'a OK');
      two.thaw();
      assert.match((await session.until('a ')).at(-1)!, /^a OK/);
      assert.deepEqual(await subjectsOf(one, 'carol'), ['meanwhile', 'through the frozen one']);
      await session.command('n NOOP', 'n OK');
      session.end();
      elsewhere.end();
      await cluster.untilBalanced();
    },
  );

  await t.test('again and again under load', async () => {
    using load = new ClusterLoad(cluster, seededRandom(seed), { title });
    await load.start([one, three]);
    for (let round = 0; round < 2; round++) {
      await load.untilAcknowledged(50);
      await load.fault('freeze', async () => {
        two.freeze();
        await untilOwnerChanged();
      });
      await load.untilAllWork();
      two.thaw();
      await load.during(cluster.untilBalanced());
    }
    load.assertUntroubled();
    await load.stopAndCheck();
  });

  await cluster.stop(lostLeaseErrors);
});

function stateOf(
  status: Awaited<ReturnType<ClusterProcesses['status']>>,
  { name }: NodeProcess,
): string | undefined {
  return status.nodes.find(({ node }) => node === name)?.state;
}

/** Far above what a loaded machine needs. */
const waitMsMax = 20_000;

interface BlockedShards extends AsyncDisposable {
  /** Resolves when a node's commit has come to a locked row. */
  untilSomebodyWaits(): Promise<void>;
  /** Resolves when what waited has been applied. */
  releaseUntilApplied(): Promise<void>;
}

/** Holds the fence rows of the users' shards, so that commits of their owner wait in PostgreSQL. */
async function blockShards(cluster: ClusterProcesses, users: readonly string[]): Promise<BlockedShards> {
  const client = new Client({ connectionString: cluster.storeUrl });
  await client.connect();
  await client.query('BEGIN');
  for (const user of users) {
    const key = fenceKey((await cluster.shardOf(user)) as ShardId);
    await client.query('SELECT FROM rookery.kv WHERE key = $1 FOR UPDATE', [key]);
  }
  const count = async (sql: string): Promise<number> => {
    const [row] = await cluster.postgres.query(`SELECT count(*)::int AS count FROM ${sql}`, cluster.storeUrl);
    return row!.count as number;
  };
  const waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
  return {
    untilSomebodyWaits: () => until('a commit waits for its fence', async () => (await count(waiting)) > 0),
    releaseUntilApplied: async () => {
      const rows = await count('rookery.kv');
      await client.query('COMMIT');
      await until('what waited is applied', async () => (await count('rookery.kv')) > rows);
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + waitMsMax;
  while (!(await isSo())) {
    assert.ok(systemClock.monotonic() < deadline, `not so: ${what}`);
    await systemClock.sleep(5);
  }
}
