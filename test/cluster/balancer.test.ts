// What stands before the frontends of a cluster, each with real clients: an appliance that tells who the client is (HAProxy
// with the PROXY header), a plain layer 4 switch (HAProxy without it), DNS with several addresses. Layer 7 is the frontends'
// own: they read the login and go to the account's host; HTTP is balanced request by request. (PROMISES 29, 37, 79, 99.)

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { LineSession } from '../faults/line-session.ts';
import { missingNameServer, NameServer } from '../name-server.ts';
import { missingPostgres } from '../postgres-server.ts';
import { missingPrograms } from '../run-program.ts';
import { addressOf, domain, passwordOf } from '../server-process.ts';
import { type Entrance, freshSeen, openInbox } from './client-sessions.ts';
import { FrontBalancer } from './front-balancer.ts';
import type { NodeProcess } from './node-process.ts';
import { popCount, send, subjects } from './outer-clients.ts';
import {
  frontendPorts,
  greeterOf,
  siteName,
  startTieredCluster,
  type TieredCluster,
} from './tiered-cluster.ts';

const users = ['appliance', 'plain', 'dns', 'anna', 'bert', 'carl', 'dora'];
/** Clients of so many addresses, each with a connection. */
const clientsMany = 500;
const requestsMany = 400;

suite('before the frontends', { skip: missingPostgres() || missingPrograms('haproxy', 'curl') }, () => {
  let site: TieredCluster;
  let appliance: FrontBalancer;
  let plain: FrontBalancer;

  before(async () => {
    site = await startTieredCluster(users);
    const through = site.backends[0]!;
    appliance = await FrontBalancer.start({ address: site.balancerAddress, through });
    plain = await FrontBalancer.start({ address: site.address(101), through, args: ['--no-proxy-header'] });
  });
  after(async () => {
    await appliance?.[Symbol.asyncDispose]();
    await plain?.[Symbol.asyncDispose]();
    await site?.cluster.stop();
    await site?.cluster[Symbol.asyncDispose]();
  });

  /** Sends and reads with nodemailer, imapflow and by POP3, and gives the line that says who sent. */
  async function mailThrough(entrance: Entrance, user: string): Promise<string> {
    for (const by of ['mx', 'submission'] as const) await send(entrance, by, user, by);
    assert.deepEqual(await subjects(entrance, user), ['mx', 'submission']);
    assert.equal(await popCount(entrance, user), 2);
    const client = await openInbox(entrance, user);
    client.write('f FETCH 1 (BODY.PEEK[HEADER.FIELDS (RECEIVED)])\r\n');
    const received = (await client.until('f OK')).find((line) => line.startsWith('Received:'));
    client.end();
    return received!;
  }

  test('an appliance: all protocols through it, and frontends know the client’s own address', async () => {
    assert.match(await mailThrough(appliance, 'appliance'), /\(\[127\.0\.0\.1\]\)/);
  });

  test('layer 4: all protocols through a switch that knows of no protocol; its address is the client’s', async () => {
    const received = await mailThrough(plain, 'plain');
    assert.ok(received.includes(`([${plain.host}])`), received);
  });

  test('layer 7: frontends read the login and go to the account’s host, whichever frontend it is', async () => {
    const [one, two] = site.backends as [NodeProcess, NodeProcess];
    const hosts = { anna: one, bert: one, carl: two, dora: two };
    await site.cluster.place(['anna', 'bert'], one);
    await site.cluster.place(['carl', 'dora'], two);
    for (const frontend of site.frontends) {
      for (const [user, host] of Object.entries(hosts)) {
        const session = await openInbox(frontend, user);
        assert.equal(await site.cluster.hostOf(user), host, `${user} through ${frontend.name}`);
        await session.command('q LOGOUT', 'q OK');
        session.end();
      }
    }
    const { nodes } = await site.cluster.status();
    const hosting = nodes.filter(({ shards }) => shards > 0).map(({ node }) => node);
    assert.deepEqual(hosting.sort(), [one.name, two.name]);
  });

  test('stateless requests are spread evenly: over HTTP, over SMTP', async () => {
    const body = { name: 'spread', scopes: ['read'] };
    const path = '/api/tokens';
    const { token } = await site.cluster.admin().call<{ token: string }>({ method: 'POST', path, body });
    const server = `http://${appliance.host}:${appliance.port('admin')}`;
    const client = new AdminClient({ data: '', server, token });
    const http = new Counts();
    // On connections that are kept: what is balanced is each request.
    for (let count = 0; count < requestsMany; count++)
      http.add((await client.call<{ node: string }>({ path: '/api/cluster' })).node);
    client.close();
    http.assertEven('HTTP requests', 0.05);
    const smtp = new Counts();
    for (let count = 0; count < requestsMany; count++) {
      using session = new Sessions();
      smtp.add(await session.open(appliance, 'mx'));
    }
    smtp.assertEven('SMTP connections', 0.05);
  });

  test('clients of many addresses meet frontends evenly, and each address its own', async () => {
    const imap = new Counts();
    const seen = new Map<string, string>();
    // All at a time, as clients are that stay: affinity gives way to load.
    using sessions = new Sessions();
    for (let count = 0; count < clientsMany; count++) {
      const from = `127.${10 + Math.floor(count / 250)}.77.${1 + (count % 250)}`;
      const greeter = await sessions.open(appliance, 'imap', from);
      seen.set(from, greeter);
      imap.add(greeter);
    }
    // As even as a hash of the address is.
    imap.assertEven('IMAP clients', 0.1);
    // But for the first ones: a node is full early where there are few.
    for (const [from, node] of [...seen].slice(50, 100))
      assert.equal(await sessions.open(appliance, 'imap', from), node, from);
  });

  test('DNS: one name with the addresses of all frontends; the next address when one is dead', {
    skip: missingNameServer(),
  }, async () => {
    const { stdout } = await site.backends[0]!.server.rookery(['balancer', 'dns']);
    await using names = await NameServer.start(site.address(53), { origin: domain, records: stdout });
    const login = `${addressOf('dns')}:${passwordOf('dns')}`;
    /** The address that curl found for the name, logged in there. */
    const connected = async (): Promise<string> => {
      const place = `imap://${siteName}:${frontendPorts.imap}/INBOX`;
      const write = ['--silent', '--show-error', '--output', '/dev/null', '--write-out', '%{remote_ip}'];
      const ended = await names.run('curl', [...write, '--user', login, place]);
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout;
    };
    const met = new Set<string>();
    for (let count = 0; count < 8; count++) met.add(await connected());
    assert.deepEqual([...met].sort(), site.frontends.map(({ host }) => host).sort());
    const sent = await names.run('curl', [
      ...['--silent', '--show-error', '--mail-from', 'a@example.org', '--mail-rcpt', addressOf('dns')],
      ...['--upload-file', '-', `smtp://${siteName}:${frontendPorts.mx}`],
    ]);
    assert.equal(sent.code, 0, sent.stderr);
    const [dead, alive] = site.frontends as [NodeProcess, NodeProcess];
    assert.equal((await freshSeen(alive, 'dns')).length, 1);
    await dead.kill();
    for (let count = 0; count < 8; count++) assert.equal(await connected(), alive.host);
  });
});

/** How often each frontend was met. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(node: string): void {
    this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
  }

  /** Of two, each has half, give or take this share of all. */
  assertEven(what: string, tolerance: number): void {
    const counts = [...this.#counts].sort();
    const all = counts.reduce((sum, [, count]) => sum + count, 0);
    const shares = counts.map(([node, count]) => `${node} ${((100 * count) / all).toFixed(1)} %`);
    process.stdout.write(`# ${all} ${what}: ${shares.join(', ')}\n`);
    assert.equal(counts.length, 2, shares.join());
    for (const [, count] of counts) assert.ok(Math.abs(count / all - 0.5) <= tolerance, shares.join());
  }
}

class Sessions implements Disposable {
  readonly #open: LineSession[] = [];

  /** Who greets a connection, from that address; it stays. */
  async open(entrance: Entrance, listener: 'imap' | 'mx', from?: string): Promise<string> {
    const session = await LineSession.open(entrance.port(listener), entrance.host, from);
    this.#open.push(session);
    return greeterOf(await session.line());
  }

  [Symbol.dispose](): void {
    for (const session of this.#open) session.end();
  }
}
