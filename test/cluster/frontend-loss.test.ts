// A frontend behind HAProxy is killed, then another one hangs, under load. Its sessions end and come back through the balancer
// on the other one; what was acknowledged is there once, what was on its way ends with a clear failure; the balancer takes
// it out by itself, and from then on no new connection fails. The times are printed. (PROMISES 49, 69, 102; web sessions come
// with webmail.)

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { LineSession, ServerGone } from '../faults/line-session.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms } from '../run-program.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { deliver, makeMail, subjectsOf } from './client-sessions.ts';
import { ClusterLoad } from './cluster-load.ts';
import { lostLeaseErrors } from './cluster-processes.ts';
import { ConnectionProbe } from './connection-probe.ts';
import { FrontBalancer } from './front-balancer.ts';
import type { NodeProcess } from './node-process.ts';
import { greeterOf, startTieredCluster, type TieredCluster } from './tiered-cluster.ts';

const loadUsers = ['anna', 'bert', 'carl', 'dora'];
const users = [...loadUsers, 'idler', 'popper', 'sender'];
/** New connections before the loss, and after the balancer knows. */
const connectionsAround = 50;
/** Far above a lease, on a loaded machine too. */
const enterMsMax = 60_000;

suite('the loss of a frontend', { skip: missingPostgres() || missingPrograms('haproxy') }, () => {
  let site: TieredCluster;
  let balancer: FrontBalancer;

  before(async () => {
    site = await startTieredCluster(users);
    balancer = await FrontBalancer.start({ address: site.balancerAddress, through: site.backends[0]! });
  });
  after(async () => {
    await balancer?.[Symbol.asyncDispose]();
    await site?.cluster.stop(lostLeaseErrors);
    await site?.cluster[Symbol.asyncDispose]();
  });

  for (const [how, lose, comeBack] of [
    ['is killed', (node: NodeProcess) => node.kill(), (node: NodeProcess) => node.start()],
    ['hangs', async (node: NodeProcess) => node.freeze(), async (node: NodeProcess) => node.thaw()],
  ] as const)
    test(`it ${how}: its sessions come back, no mail is lost, no new connection fails`, async () => {
      const lost = site.frontends[how === 'hangs' ? 1 : 0]!;
      const goOn = await Promise.all([idling, popping, submitting].map((begin) => begin(balancer, lost)));
      using load = new ClusterLoad(site.cluster, systemRandom, { users: loadUsers });
      await load.start([balancer]);
      await using probe = new ConnectionProbe(balancer);
      await load.during(probe.since(0, connectionsAround));
      const since = balancer.haproxy.logLength;
      await load.fault(how, () => lose(lost));
      const lostAt = systemClock.monotonic();
      await load.during(balancer.finds(lost, 'DOWN', since));
      const removedAt = systemClock.monotonic();
      await load.during(Promise.all(goOn.map((finish) => finish())));
      const afterwards = await load.during(probe.since(removedAt, connectionsAround));
      assert.ok(
        afterwards.every(({ isGreeted }) => isGreeted),
        'a new connection failed',
      );
      await load.untilAllWork();
      await comeBack(lost);
      await load.during(balancer.finds(lost, 'UP', since));
      await load.untilAcknowledged(users.length);
      await load.stopAndCheck();
      const between = probe.done.filter(({ startedAt }) => startedAt >= lostAt && startedAt < removedAt);
      const failed = between.filter(({ isGreeted }) => !isGreeted).length;
      // Who hangs still accepts connections, in the kernel; who is dead refuses them, and is passed over at once.
      if (how === 'is killed') assert.equal(failed, 0, 'a new connection failed before the balancer knew');
      const waits = between.map(({ startedAt, endedAt }) => endedAt - startedAt);
      const facts = [
        `out of service after ${Math.round(removedAt - lostAt)} ms`,
        `until then ${failed} of ${between.length} new connections failed`,
        `the longest took ${Math.round(Math.max(...waits))} ms`,
        `afterwards 0 of ${afterwards.length}`,
      ];
      process.stdout.write(`# a frontend ${how}: ${facts.join('; ')}\n`);
    });
});

/** Brings a session through the balancer, on this node, to the middle of something; the result comes after the loss. */
type Scenario = (balancer: FrontBalancer, lost: NodeProcess) => Promise<() => Promise<void>>;

const idling: Scenario = async (balancer, lost) => {
  await deliver(balancer, 'idler', [makeMail(`before, ${lost.name}`)]);
  const before = await subjectsOf(balancer, 'idler');
  const session = await openOn(balancer, lost, 'imap');
  await session.command(`l LOGIN ${addressOf('idler')} "${passwordOf('idler')}"`, 'l OK');
  await session.command('s SELECT INBOX', 's OK');
  session.write('i IDLE\r\n');
  await session.until('+');
  return async () => {
    await assert.rejects(session.until('nothing more'), ServerGone);
    assert.deepEqual(await subjectsOf(balancer, 'idler'), before);
  };
};

/** Its deletions were not committed by QUIT: RFC 1939 wants them undone. */
const popping: Scenario = async (balancer, lost) => {
  await deliver(balancer, 'popper', [makeMail(`one, ${lost.name}`), makeMail(`two, ${lost.name}`)]);
  const before = await subjectsOf(balancer, 'popper');
  const session = await openOn(balancer, lost, 'pop3');
  assert.match(await enter(session), /^\+OK/);
  await session.command('DELE 1', '+OK');
  return async () => {
    await assert.rejects(session.until('nothing more'), ServerGone);
    const again = await enterAgain(balancer);
    assert.equal((await again.command('STAT', '+OK')).split(' ')[1], String(before.length));
    await again.command('QUIT', '+OK');
    again.end();
    assert.deepEqual(await subjectsOf(balancer, 'popper'), before);
  };
};

/** Half of the message was sent: the client learns that it failed, and sends it again. */
const submitting: Scenario = async (balancer, lost) => {
  const subject = `submitted, ${lost.name}`;
  const message = makeMail(subject, 20_000, addressOf('sender'));
  const session = await openOn(balancer, lost, 'submission');
  await beginSubmission(session);
  session.write(message.slice(0, 10_000));
  const copies = async (): Promise<number> =>
    (await subjectsOf(balancer, 'sender')).filter((each) => each === subject).length;
  return async () => {
    await assert.rejects(session.until('nothing more'), ServerGone);
    assert.equal(await copies(), 0);
    const again = await LineSession.open(balancer.port('submission'), balancer.host);
    await again.reply();
    await beginSubmission(again);
    assert.match(await again.reply(`${message}.`), /^250/);
    again.end();
    assert.equal(await copies(), 1);
  };
};

/** A session through the balancer that is on this node: affinity gives each client's address to one. */
async function openOn(
  balancer: FrontBalancer,
  node: NodeProcess,
  listener: 'imap' | 'pop3' | 'submission',
): Promise<LineSession> {
  for (let last = 1; last < 250; last++) {
    const session = await LineSession.open(balancer.port(listener), balancer.host, `127.9.9.${last}`);
    if (greeterOf(await session.line()) === node.name) return session;
    session.end();
  }
  throw new Error(`no client meets ${node.name}`);
}

async function enter(session: LineSession): Promise<string> {
  await session.command(`USER ${addressOf('popper')}`, '+OK');
  return session.command(`PASS ${passwordOf('popper')}`, '+OK', '-ERR');
}

/** The maildrop is the lost session's until the cluster knows that its node is gone, a lease later at the most. */
async function enterAgain(balancer: FrontBalancer): Promise<LineSession> {
  const deadline = systemClock.monotonic() + enterMsMax;
  for (;;) {
    const session = await LineSession.open(balancer.port('pop3'), balancer.host);
    await session.line();
    const answer = await enter(session);
    if (answer.startsWith('+OK')) return session;
    session.end();
    assert.match(answer, /\[IN-USE\]/);
    assert.ok(systemClock.monotonic() < deadline, answer);
    await systemClock.sleep(100);
  }
}

async function beginSubmission(session: LineSession): Promise<void> {
  assert.match(await session.reply('EHLO client.example'), /^250/);
  const plain = Buffer.from(`\0${addressOf('sender')}\0${passwordOf('sender')}`).toString('base64');
  assert.match(await session.reply(`AUTH PLAIN ${plain}`), /^235/);
  assert.match(await session.reply(`MAIL FROM:<${addressOf('sender')}>`), /^250/);
  assert.match(await session.reply(`RCPT TO:<${addressOf('sender')}>`), /^250/);
  assert.match(await session.reply('DATA'), /^354/);
}
