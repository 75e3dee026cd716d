// One domain of 100,000 accounts, and clients that nobody steers: each login through a frontend chosen by chance, each
// message too. (PROMISES 107.)

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { LineSession } from '../faults/line-session.ts';
import { missingPostgres } from '../postgres-server.ts';
import { domain } from '../server-process.ts';
import { makeMail } from './client-sessions.ts';
import type { NodeProcess } from './node-process.ts';
import { seedAccounts } from './seed-accounts.ts';
import { startTieredCluster, type TieredCluster } from './tiered-cluster.ts';

const accountsMany = 100_000;
const loginsMany = 150;
/** At a time; verifying a password takes a core for 25 ms. */
const clientsMany = 10;
const modelAddress = `model@${domain}`;
const password = 'the same for all of them';
const addressOf = (index: number): string => `user${index}@${domain}`;

suite('a domain of 100,000 accounts', { skip: missingPostgres() }, () => {
  let site: TieredCluster;

  before(async () => {
    site = await startTieredCluster([]);
  });
  after(async () => {
    await site?.cluster.stop();
    await site?.cluster[Symbol.asyncDispose]();
  });

  test('they are made in bulk, and an administrator sees them all', async () => {
    const body = { address: modelAddress, password };
    const path = '/api/accounts';
    const model = await site.cluster.admin().call<{ id: string }>({ method: 'POST', path, body });
    const { storeUrl } = site.cluster;
    const start = systemClock.monotonic();
    await seedAccounts({ storeUrl, model: model.id, count: accountsMany, addressOf });
    say(`${accountsMany} accounts in ${((systemClock.monotonic() - start) / 1000).toFixed(1)} s`);
    const seen = new Set<string>();
    const listed = site.cluster.admin().items<{ address: string }>(path, { domain, limit: 1000 });
    for await (const { address } of listed) seen.add(address);
    assert.equal(seen.size, accountsMany + 1);
  });

  test('random ones get mail and log in through random frontends', async () => {
    const times: number[] = [];
    const hosts = new Map<string | undefined, number>();
    let left = loginsMany;
    const work = async (): Promise<void> => {
      while (left-- > 0) {
        const address = addressOf(systemRandom.integer(accountsMany));
        const subject = `for ${address} ${systemRandom.identifier(6)}`;
        await deliver(anyFrontend(), address, subject);
        const start = systemClock.monotonic();
        const session = await logIn(anyFrontend(), address, password);
        times.push(systemClock.monotonic() - start);
        assert.equal(await newestSubject(session), subject);
        session.end();
        const host = await hostOf(address);
        hosts.set(host, (hosts.get(host) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: clientsMany }, work));
    times.sort((a, b) => a - b);
    const at = (share: number): string => times[Math.floor(share * times.length)]!.toFixed(0);
    say(`${times.length} logins, ${clientsMany} at a time: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    say(`hosts: ${[...hosts].map(([host, count]) => `${host} ${count}`).join(', ')}`);
    const names = site.backends.map(({ name }) => name);
    assert.deepEqual([...hosts.keys()].sort(), names);
    for (const count of hosts.values()) assert.ok(count > loginsMany / 3, 'one backend has most of them');
  });

  test('a wrong password and an unknown user are refused by every frontend', async () => {
    for (const frontend of site.frontends) {
      await assert.rejects(logIn(frontend, addressOf(7), 'another one'), /AUTHENTICATIONFAILED/);
      await assert.rejects(logIn(frontend, addressOf(accountsMany), password), /AUTHENTICATIONFAILED/);
    }
  });

  const anyFrontend = (): NodeProcess => site.frontends[systemRandom.integer(site.frontends.length)]!;

  async function hostOf(address: string): Promise<string | undefined> {
    const path = `/api/cluster/who/${encodeURIComponent(address)}`;
    return (await site.cluster.admin().call<{ node?: string }>({ path })).node;
  }
});

async function deliver(through: NodeProcess, address: string, subject: string): Promise<void> {
  const session = await LineSession.open(through.port('lmtp'), through.host);
  await session.reply();
  for (const line of ['LHLO load.example', 'MAIL FROM:<a@example.org>', `RCPT TO:<${address}>`])
    assert.match(await session.reply(line), /^250/);
  assert.match(await session.reply('DATA'), /^354/);
  assert.match(await session.reply(`${makeMail(subject)}.`), /^250/);
  session.end();
}

/** Rejects with the server's answer. */
async function logIn(through: NodeProcess, address: string, secret: string): Promise<LineSession> {
  const session = await LineSession.open(through.port('imap'), through.host);
  await session.line();
  const answer = await session.command(`l LOGIN ${address} "${secret}"`, 'l ');
  if (!answer.startsWith('l OK')) throw new Error(answer);
  return session;
}

async function newestSubject(session: LineSession): Promise<string | undefined> {
  await session.command('s SELECT INBOX', 's OK');
  session.write('f FETCH * (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n');
  const lines = await session.until('f OK');
  return lines.find((line) => line.startsWith('Subject: '))?.slice('Subject: '.length);
}

function say(text: string): void {
  process.stdout.write(`# ${text}\n`);
}
