// Links between workers of one machine: over Unix sockets, for those only who know the run's secret.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { LinkFailure } from './link-failure.ts';
import { LinkPool } from './link-pool.ts';
import { LinkServer } from './link-server.ts';
import { formatIntroduction } from './local-link.ts';
import type { LinkCall } from './serving-link.ts';

const secret = 'a'.repeat(52);
const none = { authorities: [], certificate: '', key: '' };
const surroundings = { clock: systemClock, log: silentLog };

interface Fixture extends AsyncDisposable {
  readonly path: string;
  readonly server: LinkServer;
  readonly seen: LinkCall[];
  pool(secret: string): LinkPool;
}

async function open(limits = {}): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-local-link.'));
  const path = join(directory, 'worker-1.sock');
  writeFileSync(path, 'left behind');
  const seen: LinkCall[] = [];
  const echo = async (call: LinkCall): Promise<unknown> => {
    seen.push(call);
    return call.arguments;
  };
  const server = await LinkServer.open({
    credentials: { node: 'worker-1' as NodeId, ...none },
    address: { host: path, port: 0 },
    local: { path, secret },
    services: new Map([['test', echo]]),
    limits,
    ...surroundings,
  });
  const pools: LinkPool[] = [];
  return {
    path,
    server,
    seen,
    pool: (localSecret) => {
      const credentials = () => ({ node: 'worker-2' as NodeId, ...none });
      const pool = new LinkPool({
        credentials,
        localSecret,
        random: seededRandom(1),
        linksMax: 2,
        ...surroundings,
      });
      pools.push(pool);
      return pool;
    },
    [Symbol.asyncDispose]: async () => {
      for (const pool of pools) await pool.close();
      await server.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function call({ server }: Fixture, pool: LinkPool, given: unknown): Promise<unknown> {
  const place = { node: 'worker-1' as NodeId, address: server.address };
  const request = { service: 'test', method: 'echo', grant: undefined, arguments: given };
  return pool.call(place, request, { timeoutMs: 60_000 });
}

/** All that a caller hears who says this, until the other side ends it. */
async function heardFor(path: string, said: string): Promise<string> {
  const socket = connect({ path });
  const heard: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => heard.push(chunk));
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.write(said);
  await closed;
  return Buffer.concat(heard).toString('latin1');
}

test('a worker that knows the secret is served, under its name', async () => {
  await using fixture = await open();
  const pool = fixture.pool(secret);
  const large = Buffer.alloc(300_000, 'x');
  assert.deepStrictEqual(await call(fixture, pool, { text: 'yes', large }), { text: 'yes', large });
  assert.equal(fixture.seen[0]!.peer, 'worker-2');
  assert.equal(fixture.server.links, 1);
  assert.deepEqual(fixture.server.address, { host: fixture.path, port: 0 });
});

test('the socket is its owner’s only, and takes the place of one that was left behind', async () => {
  await using fixture = await open();
  assert.ok(statSync(fixture.path).isSocket());
  assert.equal(statSync(fixture.path).mode & 0o777, 0o600);
});

test('whoever does not know the secret hears nothing and reaches no service', async () => {
  await using fixture = await open();
  await assert.rejects(call(fixture, fixture.pool('b'.repeat(52)), 'hello'), LinkFailure);
  const node = 'worker-2' as NodeId;
  for (const said of [
    formatIntroduction(node, 'b'.repeat(52)),
    formatIntroduction(node, secret.slice(1)),
    formatIntroduction('../worker' as NodeId, secret),
    formatIntroduction(node, ''),
    '\n',
    'x'.repeat(1000),
  ])
    assert.equal(await heardFor(fixture.path, said), '', said);
  assert.deepEqual(fixture.seen, []);
  assert.equal(fixture.server.links, 0);
});

test('a caller that says nothing is not waited for', async () => {
  await using fixture = await open({ handshakeTimeoutMs: 20 });
  assert.equal(await heardFor(fixture.path, 'rookery-worker wor'), '');
});

test('an introduction in pieces, with the hello right behind it, is understood', async () => {
  await using fixture = await open();
  const socket = connect({ path: fixture.path });
  const introduction = formatIntroduction('worker-2' as NodeId, secret);
  const hello = Buffer.from(
    JSON.stringify({
      protocol: 'rookery-link',
      versions: { lowest: 1, highest: 1 },
      streamWindowBytes: 65536,
      linkWindowBytes: 65536,
      callsMax: 1,
    }),
  );
  const header = Buffer.alloc(9);
  header[0] = 1;
  header.writeUInt32BE(hello.length, 5);
  socket.write(introduction.slice(0, 20));
  await systemClock.nextTurn();
  socket.write(Buffer.concat([Buffer.from(introduction.slice(20)), header, hello]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString('latin1'), /"protocol":"rookery-link"/);
  socket.destroy();
});

test('a worker that takes a caller and ends it at once is one that cannot be reached, and no more', async () => {
  await using fixture = await open({ linksMax: 0 });
  const pool = fixture.pool(secret);
  await assert.rejects(call(fixture, pool, 'hello'), LinkFailure);
});

test('closing does not wait for a caller that has not said who it is', async () => {
  await using fixture = await open({ handshakeTimeoutMs: 600_000 });
  const socket = connect({ path: fixture.path });
  socket.write('rookery-worker');
  // Answered by the same listener, and after it.
  await call(fixture, fixture.pool(secret), 'hello');
  const closed = once(socket, 'close');
  await fixture.server.close();
  await closed;
});
