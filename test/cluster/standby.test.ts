// Durability `standby`, seen by clients of a whole cluster. While no synchronous standby is attached, what would write is put off and
// what reads goes on, for longer than any lease; when one is back, everything works again by itself. Where running alone is
// allowed nothing is put off. Then the primary is killed under load and the standby takes its place: nothing is lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { memberTimesDefault } from '../../src/cluster/membership/member-times.ts';
import { LineSession } from '../faults/line-session.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';
import { ServerProcess } from '../server-process.ts';
import { beginDelivery, deliver, freshSeen, makeMail, openInbox, openLmtp } from './client-sessions.ts';
import { ClusterLoad } from './cluster-load.ts';
import { ClusterProcesses, lostLeaseErrors } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

const seed = Number(process.env.CLUSTER_SEED ?? systemRandom.integer(2 ** 31));
const users = ['alice', 'bob'];
const waitMsMax = 60_000;
const putOff = '451 4.3.0 Mailbox is not available just now, try again later';
const unavailable = 'NO [UNAVAILABLE] Temporarily unavailable';
const mail = makeMail('put off');
const standbyOnly = ['storage.postgres.durability=standby'];
/** What a node may log as an error when the store takes no writes, or went away in the middle of one. */
const provoked = [...lostLeaseErrors, /^delivery failed$/];

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + waitMsMax;
  while (!(await isSo())) {
    assert.ok(systemClock.monotonic() < deadline, `not so after ${waitMsMax} ms: ${what}`);
    await systemClock.sleep(20);
  }
}

/** `state` of its only standby; undefined: there is none. */
function untilAttached(server: PostgresServer, state: string | undefined): Promise<void> {
  return until(`the standby is ${state}`, async () => {
    const rows = await server.query('SELECT sync_state FROM pg_stat_replication');
    return rows[0]?.sync_state === state;
  });
}

/** What a message gets that is delivered now, by LMTP and as the Internet does. */
async function offer(server: Pick<NodeProcess, 'host' | 'port' | 'name'>, user: string): Promise<string[]> {
  const lmtp = await openLmtp(server);
  const mx = await LineSession.open(server.port('mx'), server.host);
  await mx.reply();
  await mx.reply('EHLO load.example');
  const answers = [];
  for (const session of [lmtp, mx]) {
    await beginDelivery(session, [user]);
    answers.push(await session.reply(`${mail}.`));
    session.end();
  }
  return answers;
}

async function append(session: LineSession): Promise<string> {
  session.write(`a APPEND INBOX {${mail.length}}\r\n`);
  await session.until('+');
  return await session.command(mail, 'a ');
}

/** INBOX's first message as it is read now. */
async function readFirst(session: LineSession): Promise<string> {
  session.write('f UID FETCH 1 (BODY.PEEK[])\r\n');
  const line = await session.line();
  const body = await session.bytes(Number(/\{(\d+)\}$/.exec(line)?.[1]));
  assert.match((await session.until('f ')).at(-1)!, /^f OK/);
  return body.toString('latin1');
}

test(`a standby goes and comes back, the primary dies, CLUSTER_SEED=${seed}`, {
  skip: missingPostgres(),
}, async (t) => {
  await using primary = await PostgresServer.start();
  const [direct, apart] = [await primary.makeDatabase(), await primary.makeDatabase()];
  await using standby = await primary.startStandby('mirror');
  const both = direct.replace(/(127\.0\.0\.1:)\d+/, `$1${primary.port},$1${standby.port}`);
  await primary.set('synchronous_standby_names', '*');
  await untilAttached(primary, 'sync');
  await using cluster = await ClusterProcesses.start({
    users,
    nodes: 2,
    settings: standbyOnly,
    store: { postgres: primary, url: both },
  });
  const [one, two] = cluster.nodes as [NodeProcess, NodeProcess];
  // Through the other node.
  const session = await openInbox((await cluster.hostOf('alice')) === one ? two : one, 'alice');
  const read = async (): Promise<void> => assert.ok((await readFirst(session)).endsWith(makeMail('first')));

  await t.test('without a standby writes are put off and reads go on, until it is back', async () => {
    for (const user of users) await deliver(one, user, [makeMail('first')]);
    await session.command('n NOOP', 'n OK');
    await standby.stop('SIGKILL');
    await untilAttached(primary, undefined);
    const since = systemClock.monotonic();
    const refused = async (): Promise<void> => {
      for (const node of cluster.nodes) assert.deepEqual(await offer(node, 'bob'), [putOff, putOff]);
      assert.equal(await append(session), `a ${unavailable}`);
      for (const command of ['STORE 1 +FLAGS (\\Flagged)', 'COPY 1 INBOX'])
        assert.equal(await session.command(`w ${command}`, 'w '), `w ${unavailable}`);
    };
    await refused();
    const { stdout } = await one.server.rookery(['cluster', 'status']);
    assert.match(stdout, /^! PostgreSQL has no synchronous standby: /m);
    // No node loses its accounts for it.
    while (systemClock.monotonic() < since + 2 * memberTimesDefault.leaseMs) await read();
    await refused();
    for (const node of cluster.nodes) assert.equal((await freshSeen(node, 'bob')).length, 1);

    await standby.restart();
    await until('mail is taken', async () =>
      (await offer(one, 'bob')).every((each) => each.startsWith('250')),
    );
    assert.match(await append(session), /^a OK \[APPENDUID /);
    for (const command of ['STORE 1 +FLAGS (\\Flagged)', 'COPY 1 INBOX'])
      assert.match(await session.command(`w ${command}`, 'w '), /^w OK/);
    // Nothing of what was refused.
    const seen = await freshSeen(two, 'alice');
    assert.deepEqual(
      seen.map(({ flags }) => flags),
      ['\\Flagged', '', '\\Flagged'],
    );
  });

  await t.test('alone, where that is allowed', async () => {
    await using server = await ServerProcess.start({
      accounts: ['carol'],
      settings: [
        'storage.engine=postgres',
        `storage.url=${apart}`,
        ...standbyOnly,
        'storage.postgres.allow_alone=true',
      ],
    });
    const place = {
      name: 'alone',
      host: '127.0.0.1',
      port: (name: keyof typeof server.ports) => server.ports[name],
    };
    let sent = 0;
    let isOver = false;
    const flow = (async () => {
      while (!isOver) sent += (await offer(place, 'carol')).filter((each) => /^250/.test(each)).length;
    })();
    await until('mail flows', async () => sent > 4);
    await standby.stop('SIGKILL');
    await untilAttached(primary, undefined);
    const before = sent;
    await until('mail flows', async () => sent > before + 4);
    isOver = true;
    await flow;
    const imap = await openInbox(place, 'carol');
    assert.equal((await freshSeen(place, 'carol')).length, sent);
    assert.match(await append(imap), /^a OK \[APPENDUID /);
    imap.end();
    await server.stop();
    await standby.restart();
    await untilAttached(primary, 'sync');
  });

  await t.test('the primary is killed under load, and its standby takes over', async () => {
    await using opened = new AsyncDisposableStack();
    using load = new ClusterLoad(cluster, seededRandom(seed));
    await load.start();
    await load.untilAcknowledged(100);
    await load.fault('failover of PostgreSQL', async () => {
      // With commits under way that the standby has not.
      const receiver = await standby.stopReceiving();
      await until('a commit waits for the standby', async () => {
        const waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        return (await primary.query(waits)).length > 0;
      });
      await primary.stop('SIGKILL');
      process.kill(receiver, 'SIGCONT');
      await standby.query('SELECT pg_promote()');
      opened.use(await standby.startStandby('next'));
      await standby.set('synchronous_standby_names', '*');
    });
    await load.untilAllWork();
    await load.untilAcknowledged(100);
    await load.stopAndCheck();
    await read();
    session.end();
    await cluster.stop(provoked);
  });
});
