// What nodes of the outer zone that were broken into, and strangers, can do to the ports between nodes, over real sockets and
// real TLS: whoever else needs them is served all the same.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, suite, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { joinCluster } from '../../src/cluster/authority/join-cluster.ts';
import { openSite, tokenOf } from '../../src/cluster/authority/testing.ts';
import type { LinkLimits } from '../../src/cluster/links/link-limits.ts';
import { LinkPool } from '../../src/cluster/links/link-pool.ts';
import { LinkServer, type LinkServerOptions } from '../../src/cluster/links/link-server.ts';
import type { LinkService } from '../../src/cluster/links/serving-link.ts';
import { makeTestAuthority } from '../../src/cluster/links/testing.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import { HostileLink } from './hostile-link.ts';

const names = ['called', 'inner', 'outer1', 'outer2', 'outer3'] as const;
const authority = await makeTestAuthority();
const credentials = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await authority.credentials(name)] as const)),
);
const mebibyte = 1024 * 1024;
const answerMs = 60_000;

const opened: Disposable[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each[Symbol.dispose]();
});

function openServer(service: LinkService, options: Partial<LinkServerOptions> = {}): Promise<LinkServer> {
  const services = new Map([['test', service]]);
  return LinkServer.open({
    credentials: credentials.called!,
    address: { host: '127.0.0.1', port: 0 },
    services,
    servicesFor: ({ node }) => (node.startsWith('outer') ? services : undefined),
    clock: systemClock,
    log: silentLog,
    ...options,
  });
}

async function hostile(
  { port }: LinkServer,
  name: (typeof names)[number],
  options: { windowBytes?: number } = {},
): Promise<HostileLink> {
  const link = await HostileLink.open(credentials[name]!, { port, ...options });
  opened.push(link);
  return link;
}

interface Asked {
  readonly given?: Uint8Array;
  readonly answerBytes?: number;
}

const requestOf = (method: string, { given, answerBytes = 0 }: Asked = {}) => ({
  service: 'test',
  method,
  grant: undefined,
  arguments: given,
  answerBytes,
});

/** As an honest node asks. */
async function ask(server: LinkServer, name: string, method: string, asked: Asked = {}): Promise<unknown> {
  const pool = new LinkPool({
    credentials: () => credentials[name]!,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    linksMax: 1,
  });
  const place = { node: 'called' as NodeId, address: { host: '127.0.0.1', port: server.port } };
  try {
    return await pool.call(place, requestOf(method, asked), { timeoutMs: answerMs });
  } finally {
    await pool.close();
  }
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = systemClock.monotonic() + answerMs;
  while (!isSo()) {
    assert.ok(systemClock.monotonic() < deadline, what);
    await systemClock.sleep(5);
  }
}

suite('outer nodes that were broken into', { timeout: 300_000 }, () => {
  const count: LinkService = async (call) => (call.arguments as Uint8Array).length;

  test('two that begin all the large messages there is room for keep no inner node from sending them', async () => {
    await using server = await openServer(count);
    for (const name of ['outer1', 'outer2'] as const) {
      const link = await hostile(server, name);
      for (let stream = 1; stream <= 64; stream++) link.begin(stream, 4 * mebibyte);
      await link.heard();
    }
    for (const bytes of [64 * mebibyte, 16 * mebibyte])
      assert.equal(await ask(server, 'inner', 'count', { given: Buffer.alloc(bytes) }), bytes);
    // One that was not broken into sends ordinary mail.
    assert.equal(await ask(server, 'outer3', 'count', { given: Buffer.alloc(900_000) }), 900_000);
  });

  test('what one may have coming without leave is little, and so are its requests that wait', async () => {
    const limits = { peerCallsMax: 300, callsMax: 256 };
    const begun: string[] = [];
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const slow: LinkService = async ({ peer }) => {
      begun.push(peer);
      if (peer === 'outer1') await over;
    };
    await using server = await openServer(slow, { limits });
    const links: HostileLink[] = [];
    for (let index = 0; index < 4; index++) {
      const link = await hostile(server, 'outer1');
      links.push(link);
      for (let stream = 1; stream <= 200; stream++) link.ask(stream, requestOf('slow'));
      await link.heard();
    }
    // 300 are under way, 300 wait; the last link was cut when it said more.
    assert.deepEqual(
      links.map(({ isOpen }) => isOpen),
      [true, true, true, false],
    );
    assert.equal(begun.length, 300);
    await ask(server, 'outer2', 'slow');
    end();
  });

  test('those that ask and do not read keep nobody from being answered', async () => {
    const limits: Partial<LinkLimits> = {
      outgoingBytesMax: 8 * mebibyte,
      outerOutgoingBytesMax: 12 * mebibyte,
    };
    const answer = Buffer.alloc(mebibyte);
    const begun = new Map<string, number>();
    const large: LinkService = async ({ peer }) => {
      begun.set(peer, (begun.get(peer) ?? 0) + 1);
      return answer;
    };
    await using server = await openServer(large, { limits });
    for (const name of ['outer1', 'outer2'] as const) {
      for (let index = 0; index < 8; index++) {
        const link = await hostile(server, name, { windowBytes: 64 * 1024 });
        link.stopReading();
        for (let stream = 1; stream <= 60; stream++)
          link.ask(stream, requestOf('large', { answerBytes: mebibyte }));
      }
    }
    await until(() => begun.size === 2, 'nothing was begun');
    for (const name of ['outer3', 'inner']) {
      for (let time = 0; time < 3; time++) {
        const told = (await ask(server, name, 'large', { answerBytes: mebibyte })) as Uint8Array;
        assert.equal(told.length, mebibyte);
      }
    }
    // Not for each link, and the answer that was begun while there was a little room.
    for (const name of ['outer1', 'outer2'])
      assert.ok(begun.get(name)! <= 9, `${begun.get(name)} of 480 answers were made for ${name}`);
  });

  test('one that connects again and again asks the store no more often than it may have links', async () => {
    let asking = 0;
    let most = 0;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    await using server = await openServer(count, {
      isReplaced: async ({ node }) => {
        if (node === 'inner') return false;
        most = Math.max(most, ++asking);
        await over;
        asking--;
        return false;
      },
    });
    const links = Array.from({ length: 40 }, () => HostileLink.open(credentials.outer1!, server));
    for (const link of links) link.then((made) => opened.push(made)).catch(() => {});
    await until(() => asking > 0, 'none was asked about');
    assert.equal(await ask(server, 'inner', 'count', { given: Buffer.alloc(10) }), 10);
    end();
    await Promise.allSettled(links);
    assert.ok(most <= 8, `${most} questions at a time`);
  });
});

/** Plain connections that never say what a handshake needs; resolves when they are made. */
async function idleConnections(
  port: number,
  { count, localAddress }: { count: number; localAddress: string },
): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => {});
    socket.resume();
    opened.push({ [Symbol.dispose]: () => void socket.destroy() });
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

const openOf = (sockets: readonly Socket[]): number => sockets.filter(({ destroyed }) => !destroyed).length;

suite('connections that never finish their handshake', { timeout: 300_000 }, () => {
  const echo: LinkService = async () => 'here';

  test('at the link port: few of one network, few in all, and a member comes in', async () => {
    const limits = {
      linksMax: 100,
      halfOpenMax: 40,
      halfOpenPerNetworkMax: 10,
      handshakeTimeoutMs: 120_000,
    };
    await using server = await openServer(echo, { limits });
    const ofOne = await idleConnections(server.port, { count: 120, localAddress: '127.0.0.66' });
    await until(() => openOf(ofOne) <= 10, 'one network has more than its part');
    assert.equal(await ask(server, 'inner', 'echo'), 'here');
    const ofMany: Socket[] = [...ofOne];
    for (let host = 70; host < 80; host++)
      ofMany.push(...(await idleConnections(server.port, { count: 10, localAddress: `127.0.0.${host}` })));
    await until(() => openOf(ofMany) <= 40, 'there are more than may be in all');
    assert.equal(openOf(ofMany), 40);
    assert.equal(await ask(server, 'inner', 'echo'), 'here');
    // Also for who shares an address with them.
    await idleConnections(server.port, { count: 30, localAddress: '127.0.0.1' });
    assert.equal(await ask(server, 'inner', 'echo'), 'here');
  });

  test('they end after their time, those that say a byte now and then, too', async () => {
    await using server = await openServer(echo, { limits: { handshakeTimeoutMs: 300 } });
    const silent = await idleConnections(server.port, { count: 3, localAddress: '127.0.0.1' });
    const slow = await idleConnections(server.port, { count: 3, localAddress: '127.0.0.1' });
    const hello = Buffer.from('16030100fc010000f80303', 'hex');
    let said = 0;
    while (openOf([...silent, ...slow]) > 0) {
      for (const socket of slow) socket.write(Buffer.from([hello[said++] ?? 0]));
      await systemClock.sleep(20);
    }
    assert.ok(said > 0);
  });

  test('at the join port: a machine joins beside as many as come', async () => {
    await using site = await openSite();
    const token = await tokenOf(site);
    const sockets: Socket[] = [];
    for (let host = 66; host < 76; host++) {
      const localAddress = `127.0.0.${host}`;
      sockets.push(...(await idleConnections(site.at.port, { count: 60, localAddress })));
    }
    await until(() => openOf(sockets) <= 256, 'there are more than may be in all');
    const joined = await joinCluster(token, site.at, { node: 'second', clock: site.clock });
    assert.equal(joined.zone, 'inner');
    await assert.rejects(joinCluster(token, site.at, { node: 'third', clock: site.clock }), (error) =>
      isMailError(error, 'authenticationFailed'),
    );
  });
});
