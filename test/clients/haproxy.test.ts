// Debian's HAProxy in front of real servers, with the configuration that Rookery writes for it: clients reach both
// nodes, each node knows the client's own address, a node that drains gets nobody new and keeps whom it has, and a node that
// stops is passed over at once. keepalived's own check reads what is written for it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttp, type Server } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { delimiter } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import type { BalancedCluster, BalancedNode } from '../../src/operator/balancer/balanced-cluster.ts';
import { formatHaproxy } from '../../src/operator/balancer/haproxy.ts';
import { formatKeepalived } from '../../src/operator/balancer/keepalived.ts';
import { bytesOf, messagesOf } from '../account-content.ts';
import { HaproxyProcess } from '../haproxy-process.ts';
import { makeTemporaryFolder, missingPrograms, runProgram, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

process.env.PATH += `${delimiter}/usr/sbin${delimiter}/sbin`;

const names = ['node-a', 'node-b'] as const;
type NodeName = (typeof names)[number];
const balancedPorts = ['imap', 'imaps', 'submission', 'mx', 'health'] as const;
type BalancedPorts = Record<(typeof balancedPorts)[number], number>;

/** Ports that were free a moment ago. */
async function freePorts(): Promise<BalancedPorts> {
  const servers = balancedPorts.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return Object.fromEntries(balancedPorts.map((name, at) => [name, ports[at]])) as BalancedPorts;
}

/** /readyz as the test wants it: 200, or 503 as while a node drains. */
class Readiness {
  isDraining = false;
  readonly #server: Server;

  private constructor() {
    this.#server = createHttp((_request, response) => {
      response.writeHead(this.isDraining ? 503 : 200, { 'content-type': 'application/json' });
      response.end('{}');
    });
  }

  static async listen(): Promise<Readiness> {
    const readiness = new Readiness();
    await once(readiness.#server.listen(0, '127.0.0.1'), 'listening');
    return readiness;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('HAProxy', { skip: missingPrograms('haproxy') }, () => {
  let folder: TemporaryFolder;
  let servers: Record<NodeName, ServerProcess>;
  let readiness: Readiness;
  let ports: BalancedPorts;
  let haproxy: HaproxyProcess;
  const open: Socket[] = [];

  before(async () => {
    folder = await makeTemporaryFolder();
    const [a, b] = await Promise.all(
      names.map((name) =>
        ServerProcess.start({
          accounts: ['alice'],
          settings: [`hostname=${name}.test`, 'proxy_protocol_from=["127.0.0.1"]'],
        }),
      ),
    );
    servers = { 'node-a': a!, 'node-b': b! };
    readiness = await Readiness.listen();
    ports = await freePorts();
    const file = folder.at('haproxy.cfg');
    const options = {
      bind: ['127.0.0.1'],
      ports,
      statsSocket: folder.at('stats'),
      log: 'stdout',
      user: null,
      connectionsMax: 100,
    };
    await writeFile(file, formatHaproxy(describeCluster(), options));
    haproxy = new HaproxyProcess(file);
    await haproxy.logged(/Loading success/);
  });

  after(async () => {
    for (const socket of open) socket.destroy();
    await haproxy?.stop();
    readiness?.close();
    await Promise.all(Object.values(servers ?? {}).map((server) => server[Symbol.asyncDispose]()));
    await folder?.remove();
  });

  /** Of node-b the test says whether it is ready. */
  function describeCluster(): BalancedCluster {
    const nodeOf = (name: NodeName): BalancedNode => {
      const { imap, imaps, submission, mx, admin } = servers[name].ports;
      return {
        name,
        address: '127.0.0.1',
        zone: 'inner',
        roles: ['frontend', 'mx', 'backend'],
        weight: 100,
        isDraining: false,
        listeners: { imap, imaps, submission, mx, admin: name === 'node-b' ? readiness.port : admin },
      };
    };
    return {
      hostname: 'mail.example.test',
      domains: [],
      nodes: names.map(nodeOf),
      balancers: [],
      floatingAddresses: [],
      idle: { imapMs: 1_800_000, pop3Ms: 600_000, smtpMs: 300_000 },
    };
  }

  /** A connection by way of HAProxy, from an address of our choice, and who greets it. */
  async function greeted(port: number, localAddress: string): Promise<{ socket: Socket; node: NodeName }> {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    open.push(socket);
    const [greeting] = await once(socket, 'data');
    const node = /(node-[ab])\.test/.exec(String(greeting))?.[1];
    assert.ok(node !== undefined, `greeted with ${greeting}`);
    return { socket, node: node as NodeName };
  }

  /** Logs out, and waits until HAProxy has counted it out: affinity gives way to load. */
  async function loggedOut(socket: Socket): Promise<void> {
    const { localPort } = socket;
    socket.resume().end('a LOGOUT\r\n');
    await haproxy.logged(new RegExp(`127\\.0\\.0\\.\\d+:${localPort} .* imap imap/`));
  }

  /** Who greets clients of so many addresses; their connections are closed again. */
  async function greeters(port: number, clients = 12): Promise<Set<NodeName>> {
    const nodes = new Set<NodeName>();
    for (let last = 2; last < 2 + clients; last++) {
      const { socket, node } = await greeted(port, `127.0.0.${last}`);
      nodes.add(node);
      socket.destroy();
    }
    return nodes;
  }

  test('takes the configuration without a word', async () => {
    const file = folder.at('complete.cfg');
    const cluster = describeCluster();
    const everything = { imap: 1143, imaps: 1993, pop3: 1110, pop3s: 1995, mx: 1025, admin: 2080 };
    const more = { submission: 1587, submissions: 1465, lmtp: 1024 };
    const nodes = cluster.nodes.map((node) => ({ ...node, listeners: { ...everything, ...more } }));
    const options = { privateBind: '127.0.0.1', user: null, connectionsMax: 100 };
    await writeFile(file, formatHaproxy({ ...cluster, nodes }, options));
    const { code, stdout, stderr } = await runProgram('haproxy', ['-c', '-f', file]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /WARNING|ALERT/);
  });

  test('a client comes back to its node, many clients meet both', async () => {
    assert.deepEqual([...(await greeters(ports.imap))].sort(), [...names]);
    assert.deepEqual([...(await greeters(ports.mx, 4))].sort(), [...names]);
    const first = await greeted(ports.imap, '127.0.0.40');
    await loggedOut(first.socket);
    for (let again = 0; again < 4; again++) {
      const { socket, node } = await greeted(ports.imap, '127.0.0.40');
      assert.equal(node, first.node);
      await loggedOut(socket);
    }
  });

  test('imapflow and nodemailer work through it, and the node sees the client’s own address', async () => {
    const ca = names.map((name) => readFileSync(servers[name].certificateFile));
    const mailer = createTransport({
      host: '127.0.0.1',
      port: ports.submission,
      localAddress: '127.0.0.77',
      requireTLS: true,
      tls: { ca, servername: 'localhost' },
      auth: { user: addressOf('alice'), pass: passwordOf('alice') },
    });
    await mailer.sendMail({ from: addressOf('alice'), to: addressOf('alice'), subject: 'hello', text: 'x' });
    mailer.close();
    const stored: [NodeName, string][] = [];
    for (const name of names) {
      for (const { uid } of await messagesOf(servers[name].admin, 'alice'))
        stored.push([name, (await bytesOf(servers[name].admin, 'alice', { uid })).toString('latin1')]);
    }
    assert.equal(stored.length, 1);
    const [taker, text] = stored[0]!;
    assert.match(text, /^Received: from \S+ \(\[127\.0\.0\.77\]\)/m);
    assert.ok(text.includes(`by ${taker}.test `));

    const client = new ImapFlow({
      host: '127.0.0.1',
      port: ports.imaps,
      secure: true,
      servername: 'localhost',
      tls: { ca },
      auth: { user: addressOf('alice'), pass: passwordOf('alice') },
      logger: false,
    });
    await client.connect();
    const inbox = await client.mailboxOpen('INBOX');
    assert.ok(inbox.exists <= 1);
    await client.logout();
  });

  test('a node that drains gets nobody new and keeps whom it has', async () => {
    let kept = await greeted(ports.imap, '127.0.0.50');
    for (let last = 51; kept.node !== 'node-b'; last++) {
      kept.socket.destroy();
      kept = await greeted(ports.imap, `127.0.0.${last}`);
    }
    const since = haproxy.logLength;
    readiness.isDraining = true;
    for (const section of ['imap', 'mx'])
      await haproxy.logged(new RegExp(`Server ${section}/node-b is stopping`), since);
    assert.deepEqual([...(await greeters(ports.imap))], ['node-a']);
    assert.deepEqual([...(await greeters(ports.mx, 4))], ['node-a']);
    kept.socket.write('a NOOP\r\n');
    assert.match(String((await once(kept.socket, 'data'))[0]), /^a OK /);
    readiness.isDraining = false;
    await haproxy.logged(/Server imap\/node-b is UP/, since);
    assert.deepEqual([...(await greeters(ports.imap))].sort(), [...names]);
    kept.socket.destroy();
  });

  test('a node that hangs is cut off, so that its clients come back elsewhere', async () => {
    let lost = await greeted(ports.imap, '127.0.0.60');
    for (let last = 61; lost.node !== 'node-a'; last++) {
      lost.socket.destroy();
      lost = await greeted(ports.imap, `127.0.0.${last}`);
    }
    const since = haproxy.logLength;
    const gone = once(lost.socket, 'close');
    lost.socket.on('error', () => {});
    lost.socket.resume();
    servers['node-a'].signal('SIGSTOP');
    await gone;
    await haproxy.logged(/Server mx\/node-a is DOWN/, since);
    assert.deepEqual([...(await greeters(ports.imap))], ['node-b']);
    servers['node-a'].signal('SIGCONT');
    await haproxy.logged(/Server imap\/node-a is UP/, since);
    assert.deepEqual([...(await greeters(ports.imap))].sort(), [...names]);
  });
});

describe('HAProxy and a node that stops', { skip: missingPrograms('haproxy') }, () => {
  test('the next connections go to the other one, whatever the check knows by then', async () => {
    await using folder = await makeTemporaryFolder();
    const settings = (name: string) => [`hostname=${name}.test`, 'proxy_protocol_from=["127.0.0.1"]'];
    const [a, b] = await Promise.all(names.map((name) => ServerProcess.start({ settings: settings(name) })));
    await using _b = b!;
    const ports = await freePorts();
    const nodes = [a!, b!].map((server, at) => ({
      name: names[at]!,
      address: '127.0.0.1',
      zone: 'inner',
      roles: ['frontend'] as const,
      weight: 100,
      isDraining: false,
      listeners: { imap: server.ports.imap, admin: server.ports.admin },
    }));
    const cluster = {
      hostname: 'mail.example.test',
      domains: [],
      nodes,
      balancers: [],
      floatingAddresses: [],
      idle: { imapMs: 1_800_000, pop3Ms: 600_000, smtpMs: 300_000 },
    };
    const file = folder.at('haproxy.cfg');
    const statsSocket = folder.at('stats');
    const options = {
      bind: ['127.0.0.1'],
      ports,
      statsSocket,
      log: 'stdout',
      user: null,
      connectionsMax: 100,
    };
    await writeFile(file, formatHaproxy(cluster, options));
    const haproxy = new HaproxyProcess(file);
    try {
      await haproxy.logged(/Loading success/);
      await a!.stop();
      for (let last = 2; last < 10; last++) {
        const socket = connect({ host: '127.0.0.1', port: ports.imap, localAddress: `127.0.0.${last}` });
        const [greeting] = await once(socket, 'data');
        assert.match(String(greeting), /node-b\.test/);
        socket.destroy();
      }
      const health = await fetch(`http://127.0.0.1:${ports.health}/healthz`);
      assert.equal(health.status, 200);
      await health.text();
      await haproxy.logged(/Server nodes\/node-a is DOWN/);
      const since = haproxy.logLength;
      await b!.stop();
      await haproxy.logged(/Server nodes\/node-b is DOWN/, since);
      const unhealthy = await fetch(`http://127.0.0.1:${ports.health}/healthz`);
      assert.equal(unhealthy.status, 503);
      await unhealthy.text();
    } finally {
      await haproxy.stop();
    }
  });
});

describe('keepalived', { skip: missingPrograms('keepalived') }, () => {
  const device = Object.entries(networkInterfaces()).find(([, places]) =>
    places?.some((place) => !place.internal),
  );

  test('takes the configuration without a word', {
    skip: device === undefined && 'no network interface',
  }, async () => {
    await using folder = await makeTemporaryFolder();
    const balancers = ['lb1', 'lb2'].map((name, at) => ({
      name,
      address: `10.0.0.1${at}`,
      interface: device![0],
    }));
    const text = formatKeepalived(
      {
        hostname: 'mail.example.test',
        domains: [],
        nodes: [],
        balancers,
        floatingAddresses: [
          { address: '192.0.2.10', prefixLength: 24 },
          { address: '2001:db8::10', prefixLength: 64 },
        ],
        idle: { imapMs: 1, pop3Ms: 1, smtpMs: 1 },
      },
      { balancer: 'lb2' },
    );
    /** What it has to say; its exit code differs between versions. */
    const check = async (name: string, content: string): Promise<string> => {
      await writeFile(folder.at(name), content, { mode: 0o644 });
      const args = ['--config-test', '--use-file', folder.at(name)];
      const { stdout, stderr } = await runProgram('keepalived', args);
      return stdout + stderr;
    };
    assert.equal(await check('right.conf', text), '');
    assert.match(await check('wrong.conf', text.replace('priority', 'priorty')), /Unknown keyword 'priorty'/);
  });
});
