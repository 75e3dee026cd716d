// Several worker processes as one server: whichever of them a client reaches, it is the same mail. One of them is killed
// under load: nothing acknowledged is lost or doubled, sessions of the others go on, it is started again. And the way from
// one process to several and back on the same data.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { LineSession, ServerGone } from '../faults/line-session.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, runRookery, ServerProcess, serverArguments } from '../server-process.ts';

const users = Array.from({ length: 8 }, (_, index) => `user${index}`);
const workers = ['worker-1', 'worker-2'];
/** Connections are spread by the system: so many are on one worker once in 2^23 runs. */
const connectionsEnough = 24;

async function deliver(session: LineSession, user: string, subject: string): Promise<string> {
  assert.match(await session.reply('MAIL FROM:<a@example.org>'), /^250/);
  const recipient = await session.reply(`RCPT TO:<${addressOf(user)}>`);
  if (!recipient.startsWith('250')) {
    await session.reply('RSET');
    return recipient;
  }
  assert.match(await session.reply('DATA'), /^354/);
  return await session.reply(`From: a@example.org\r\nSubject: ${subject}\r\n\r\nHello ${subject}\r\n.`);
}

async function openLmtp(server: ServerProcess): Promise<LineSession> {
  const session = await LineSession.open(server.ports.lmtp);
  await session.reply();
  await session.reply('LHLO load.example');
  return session;
}

async function openImap(server: ServerProcess, user: string): Promise<LineSession> {
  const session = await LineSession.open(server.ports.imap);
  await session.line();
  await session.command(`l LOGIN ${addressOf(user)} "${passwordOf(user)}"`, 'l OK');
  await session.command('s SELECT INBOX', 's OK');
  return session;
}

/** Every subject in the session's mailbox. */
async function subjectsIn(session: LineSession): Promise<string[]> {
  session.write('f FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n');
  const lines = await session.until('f ');
  return lines.filter((line) => line.startsWith('Subject: ')).map((line) => line.slice(9));
}

/** Every message whole, by its subject: whichever worker the session is on, the bytes are those that were sent. */
async function messagesIn(session: LineSession): Promise<string[]> {
  session.write('w FETCH 1:* BODY.PEEK[]\r\n');
  const lines = await session.until('w ');
  const subjects = lines.filter((line) => line.startsWith('Subject: ')).map((line) => line.slice(9));
  const bodies = lines.filter((line) => line.startsWith('Hello ')).map((line) => line.slice(6));
  assert.deepEqual(bodies, subjects);
  return subjects;
}

async function metricsOf(server: ServerProcess): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`)).text();
}

function figureIn(metrics: string, series: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1));
}

async function pidOf(server: ServerProcess, worker: string): Promise<number> {
  const line = await server.logged((one) => one.msg === 'a worker serves' && one.worker === worker);
  return line.pid as number;
}

/** One that has ended and that nobody asked about has no command line any more. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}

describe('two workers', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ settings: ['workers=2'], accounts: users });
  });
  after(() => server.stop());

  test('share the ports, and every account is reached through each of them', async () => {
    for (const user of users) {
      const session = await openLmtp(server);
      assert.match(await deliver(session, user, `to ${user}`), /^250/);
      session.end();
    }
    for (let count = 0; count < connectionsEnough; count++) {
      const user = users[count % users.length]!;
      const session = await openImap(server, user);
      assert.deepEqual(await subjectsIn(session), [`to ${user}`]);
      session.end();
    }
    const metrics = await metricsOf(server);
    for (const worker of workers) {
      const series = `rookery_connections_total{worker="${worker}",listener="imap"}`;
      assert.ok(figureIn(metrics, series) > 0, `${worker} took no connection`);
    }
    assert.ok(figureIn(metrics, 'rookery_engine_batches_total{worker="supervisor"}') > 0);
    assert.equal(metrics.match(/^# HELP rookery_connections_total /gm)?.length, 1);
  });

  test('tell sessions on all of them of new mail', async () => {
    const sessions = await Promise.all(Array.from({ length: 12 }, () => openImap(server, 'user0')));
    for (const session of sessions) await session.command('i IDLE', '+');
    const session = await openLmtp(server);
    assert.match(await deliver(session, 'user0', 'news'), /^250/);
    for (const idle of sessions) assert.deepEqual(await idle.until('* 2 EXISTS'), ['* 2 EXISTS']);
    for (const each of [session, ...sessions]) each.end();
  });

  test('are the nodes of one cluster, which commands see', async () => {
    const { nodes } = await server.json<{ nodes: { node: string; state: string; shards: number }[] }>([
      'cluster',
      'status',
    ]);
    assert.deepEqual(
      nodes.map(({ node, state, shards }) => ({ node, state, shards })),
      workers.map((node) => ({ node, state: 'active', shards: 128 })),
    );
  });

  test('check the accounts of all of them with one command', async () => {
    const checked = await server.json<Record<string, unknown>>(['store', 'check']);
    const { accounts, elsewhere, findings } = checked;
    assert.deepEqual(
      { accounts, elsewhere, findings },
      { accounts: users.length, elsewhere: 0, findings: 0 },
    );
  });

  test('end one by one on SIGTERM in good order, and come back', async () => {
    for (const worker of workers) {
      const pid = await pidOf(server, worker);
      process.kill(pid, 'SIGTERM');
      await server.logged(
        (line) => line.msg === 'a worker has ended; it is started again' && line.pid === pid,
      );
      await server.logged(
        (line) => line.msg === 'a worker serves' && line.worker === worker && line.pid !== pid,
      );
      const { nodes } = await server.json<{ nodes: { state: string }[] }>(['cluster', 'status']);
      assert.deepEqual(
        nodes.map(({ state }) => state),
        ['active', 'active'],
      );
      // Where it was, whoever has it.
      assert.match(await metricsOf(server), new RegExp(`worker="${worker}"`));
    }
    for (const user of users) {
      const session = await openImap(server, user);
      assert.equal((await subjectsIn(session))[0], `to ${user}`);
      session.end();
    }
  });

  test('reload on SIGHUP and by command, all of them', async () => {
    server.signal('SIGHUP');
    for (const worker of workers)
      await server.logged((line) => line.msg === 'configuration reloaded' && line.worker === worker);
    const { reloaded } = await server.json<{ reloaded: string[] }>(['reload']);
    assert.deepEqual(reloaded, ['certificates']);
  });
});

interface Load {
  isOver: boolean;
  readonly acknowledged: { readonly user: string; readonly subject: string }[];
  /** Answered by nobody, or not with yes: there once or not at all. */
  readonly doubtful: Set<string>;
}

/** One sender after the other session, as an MTA that tries again. */
async function send(server: ServerProcess, load: Load, name: string): Promise<void> {
  for (let number = 0; !load.isOver; ) {
    let subject = '';
    try {
      const session = await openLmtp(server);
      while (!load.isOver) {
        const user = users[number % users.length]!;
        subject = `${name} ${number++}`;
        load.doubtful.add(subject);
        const answer = await deliver(session, user, subject);
        if (!answer.startsWith('250')) continue;
        load.doubtful.delete(subject);
        load.acknowledged.push({ user, subject });
      }
      session.end();
    } catch (error) {
      if (!(error instanceof ServerGone)) throw error;
    }
  }
}

/** Until the account is served again, wherever. */
async function whenServed(session: LineSession): Promise<void> {
  while (!(await session.command('n CHECK', 'n ')).startsWith('n OK')) await systemClock.sleep(50);
}

/** Resolves when another process of that name serves, and mail has gone on. */
async function whenBack(server: ServerProcess, load: Load, { worker, pid }: { worker: string; pid: number }) {
  await server.logged((line) => line.msg === 'a worker serves' && line.worker === worker && line.pid !== pid);
  const soFar = load.acknowledged.length;
  while (load.acknowledged.length < soFar + 100) await systemClock.sleep(20);
}

test('SIGKILL of one worker and the other of a quick start under load: nothing lost, nothing doubled, the rest goes on', async () => {
  const server = await ServerProcess.start({
    command: 'quickstart',
    settings: ['workers=2'],
    accounts: users,
  });
  const victim = await pidOf(server, 'worker-2');
  const load: Load = { isOver: false, acknowledged: [], doubtful: new Set() };
  const senders = ['one', 'two', 'three', 'four'].map((name) => send(server, load, name));
  const sessions = await Promise.all(
    Array.from({ length: connectionsEnough }, (_, index) => openImap(server, users[index % users.length]!)),
  );
  const open = 'rookery_connections_open{worker="worker-1",listener="imap"}';
  const survivors = figureIn(await metricsOf(server), open);
  while (load.acknowledged.length < 200) await systemClock.sleep(20);
  process.kill(victim, 'SIGKILL');
  await server.logged((line) => line.msg === 'a worker has ended; it is started again');
  const outcomes = await Promise.allSettled(sessions.map(whenServed));
  const gone = outcomes.filter((one) => one.status === 'rejected');
  assert.ok(gone.every(({ reason }) => reason instanceof ServerGone));
  assert.equal(sessions.length - gone.length, survivors, 'sessions of the other worker ended');
  assert.ok(survivors > 0 && survivors < sessions.length);
  await whenBack(server, load, { worker: 'worker-2', pid: victim });
  // What the other one was given meanwhile, and what it hosted before, goes back.
  const first = await pidOf(server, 'worker-1');
  process.kill(first, 'SIGKILL');
  await whenBack(server, load, { worker: 'worker-1', pid: first });
  load.isOver = true;
  await Promise.all(senders);
  for (const user of users) {
    const found = await messagesIn(await openImap(server, user));
    // Through the other worker as well, most likely.
    for (let count = 0; count < 4; count++)
      assert.deepEqual(await messagesIn(await openImap(server, user)), found);
    assert.equal(new Set(found).size, found.length, 'a message is there twice');
    const wanted = load.acknowledged.filter((one) => one.user === user).map(({ subject }) => subject);
    const lost = wanted.filter((subject) => !found.includes(subject));
    assert.deepEqual(lost, []);
    const extra = found.filter((subject) => !wanted.includes(subject) && !load.doubtful.has(subject));
    assert.deepEqual(extra, []);
  }
  await server.stop([/^a worker has ended/]);
});

test('the same data is served by one process, by two, by one again, by four, and by a node of a cluster', async () => {
  const folder = await makeTemporaryFolder();
  const data = folder.at('data');
  const subjects: string[] = [];
  for (const [round, count] of [1, 2, 1, 4].entries()) {
    const settings = [`workers=${count}`];
    const server = await ServerProcess.start({ data, settings, ...(round === 0 ? { accounts: users } : {}) });
    assert.equal(existsSync(join(data, 'engine.sock')), count > 1);
    for (const user of users) assert.deepEqual(await subjectsIn(await openImap(server, user)), subjects);
    const session = await openLmtp(server);
    for (const user of users) assert.match(await deliver(session, user, `round ${round}`), /^250/);
    session.end();
    subjects.push(`round ${round}`);
    await server.stop();
  }
  // And by the first node of a larger cluster.
  const made = await runRookery(['cluster', 'init', '--node', 'one', '--data', data]);
  assert.equal(made.code, 0, made.stderr);
  const server = await ServerProcess.start({ data, settings: ['workers=auto'] });
  assert.deepEqual(await subjectsIn(await openImap(server, users[0]!)), subjects);
  await server.stop();
  await folder.remove();
});

test('after SIGKILL of everything the workers serve again at once', async () => {
  const folder = await makeTemporaryFolder();
  const data = folder.at('data');
  const settings = ['workers=2'];
  {
    await using server = await ServerProcess.start({ data, settings, accounts: users });
    const session = await openLmtp(server);
    assert.match(await deliver(session, 'user1', 'before'), /^250/);
    const pids = await Promise.all(workers.map((worker) => pidOf(server, worker)));
    server.signal('SIGKILL');
    // Its output is at its end when the workers have ended as well.
    await server.exited;
    for (const pid of pids) assert.ok(!isRunning(pid), `worker ${pid} still runs`);
  }
  const server = await ServerProcess.start({ data, settings });
  assert.deepEqual(await subjectsIn(await openImap(server, 'user1')), ['before']);
  await server.stop();
  await folder.remove();
});

test('a start that cannot be says why and leaves nobody behind', async () => {
  const folder = await makeTemporaryFolder();
  await using other = await ServerProcess.start();
  const settings = ['workers=2', `listen.imap=127.0.0.1:${other.ports.imap}`];
  const { code, stderr } = await runRookery(serverArguments({ data: folder.at('data'), settings }));
  assert.equal(code, 1);
  assert.match(stderr, /imap: 127\.0\.0\.1:\d+ is taken/);
  const postgres = ['workers=2', 'storage.engine=postgres', 'storage.url=postgres://127.0.0.1:1/none'];
  const refused = await runRookery(serverArguments({ data: folder.at('data'), settings: postgres }));
  assert.match(refused.stderr, /`workers` are for the embedded store/);
  // One byte more than the sockets of workers leave room for; a single process would start.
  const data = folder.at('x'.repeat(89 - Buffer.byteLength(folder.at('x'))));
  const deep = await runRookery(serverArguments({ data, settings: ['workers=2'] }));
  assert.equal(deep.code, 1);
  assert.match(deep.stderr, /^rookery: .* has 88 bytes; .* 87 with 2 workers: .*, or set workers = 1\n$/);
  assert.equal(existsSync(data), false);
  await folder.remove();
});
