// What a disk does to a store while no server looks: rows turned to garbage, a store of a newer version, blobs that were
// compressed. The next server starts where it can, keeps serving what is whole, and `store check` mends the rest.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { openFilesystemBlobStore } from '../../src/storage/blobs/filesystem-blob-store.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { encodeRecord } from '../../src/storage/record.ts';
import { storeFormatVersion } from '../../src/storage/store-marker.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../../src/storage/tuple.ts';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, runRookery, ServerProcess, serverArguments } from '../server-process.ts';
import { LineSession } from './line-session.ts';

interface CheckResult {
  readonly messages: number;
  readonly findings: number;
  readonly items: readonly { readonly what: string; readonly action: string }[];
}

/** Opens the store of a server that is stopped. */
async function withStore<T>(data: string, body: (engine: Engine) => Promise<T>): Promise<T> {
  const directory = join(data, 'store');
  await using engine = await openLmdbEngine({ directory, clock: systemClock, log: silentLog });
  return await body(engine);
}

const largeText = `Subject: large\r\n\r\n${Array.from({ length: 20_000 }, (_, line) => `line ${line}\r\n`).join('')}`;

/** The key of a row under a prefix. */
async function keyUnder(engine: Engine, prefix: readonly string[], row = 0): Promise<Uint8Array> {
  const { entries } = await engine.page(tuplePrefixRange(prefix), { entriesMax: 1000, bytesMax: 1e8 });
  const found = entries[row];
  assert.ok(found !== undefined, `no row ${row} under ${prefix.join(' ')}`);
  return found.key;
}

async function deliver(server: ServerProcess, text: string): Promise<string> {
  const lmtp = await LineSession.open(server.ports.lmtp);
  await lmtp.reply();
  await lmtp.reply('LHLO load.example');
  await lmtp.reply('MAIL FROM:<a@example.org>');
  const recipient = await lmtp.reply(`RCPT TO:<${addressOf('alice')}>`);
  assert.match(recipient, /^250/);
  await lmtp.reply('DATA');
  const answer = await lmtp.reply(`${text}.`);
  lmtp.end();
  return answer;
}

const damages: readonly {
  readonly what: string;
  /** Under ('a', account id), or whole; the account is alice's. */
  readonly prefix: (accountId: string) => readonly string[];
  /** Which row under the prefix; default the first. */
  readonly row?: number;
  /** The first message there is goes. */
  readonly losesFirst: boolean;
  readonly action: string;
}[] = [
  { what: 'the account', prefix: (id) => ['a', id], losesFirst: false, action: 'repaired' },
  { what: 'INBOX', prefix: (id) => ['a', id, 'b'], losesFirst: false, action: 'repaired' },
  { what: 'a message row', prefix: (id) => ['a', id, 'm'], losesFirst: true, action: 'setAside' },
  { what: 'an email', prefix: (id) => ['a', id, 'e'], losesFirst: false, action: 'repaired' },
  {
    what: 'an email in a blob',
    prefix: (id) => ['a', id, 'e'],
    row: 3,
    losesFirst: false,
    action: 'repaired',
  },
  { what: 'a summary', prefix: (id) => ['a', id, 'y'], losesFirst: false, action: 'repaired' },
  { what: 'a content', prefix: (id) => ['a', id, 'c'], losesFirst: true, action: 'setAside' },
  { what: 'a blob', prefix: () => ['blob'], losesFirst: false, action: 'repaired' },
  { what: 'the domain', prefix: () => ['directory', 'domain'], losesFirst: false, action: 'repaired' },
  {
    what: 'a directory account',
    prefix: () => ['directory', 'account'],
    losesFirst: false,
    action: 'repaired',
  },
];

test('garbage in any row on disk is found, set aside, and what follows from messages is made again', async () => {
  await using folder = await makeTemporaryFolder();
  const data = folder.at('data');
  {
    await using server = await ServerProcess.start({ data, accounts: ['alice'] });
    for (const number of [1, 2, 3])
      await storeMessage(server.admin, 'alice', { bytes: numberedMessage(number) });
    await storeMessage(server.admin, 'alice', { bytes: largeText });
    await server.stop();
  }
  const uids = [1, 2, 3, 4];
  for (const { what, prefix, row, losesFirst, action } of damages) {
    await withStore(data, async (engine) => {
      const login = await keyUnder(engine, ['a']);
      const key = await keyUnder(engine, prefix(decodeTuple(login)[1] as string), row);
      await engine.commit({ puts: [{ key, value: Buffer.from(`not a record: ${what}`) }] });
    });
    await using server = await ServerProcess.start({ data });
    const check = async (): Promise<CheckResult> =>
      JSON.parse((await server.rookery(['store', 'check', '--json'])).stdout) as CheckResult;
    const { items } = await check();
    assert.ok(
      items.some((item) => item.action === action),
      `${what}: ${JSON.stringify(items)}`,
    );
    assert.equal((await check()).findings, 0, what);
    if (losesFirst) uids.shift();
    assert.deepEqual(
      (await messagesOf(server.admin, 'alice')).map(({ uid }) => uid),
      uids,
      what,
    );
    const large = await bytesOf(server.admin, 'alice', { uid: 4 });
    assert.equal(large.toString('latin1'), largeText);
    assert.match(await deliver(server, numberedMessage(9)), /^250/, what);
    uids.push((await messagesOf(server.admin, 'alice')).at(-1)!.uid);
    assert.equal(new Set(uids).size, uids.length, `${what}: a UID is used twice`);
    server.signal('SIGTERM');
    assert.equal((await server.exited).code, 0);
  }
});

test('a store, and a record, of a newer version is refused in clear words', async () => {
  await using folder = await makeTemporaryFolder();
  const data = folder.at('data');
  {
    await using server = await ServerProcess.start({ data, accounts: ['alice'] });
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(1) });
    await server.stop();
  }
  const marker = encodeTuple(['store']);
  await withStore(data, (engine) =>
    engine.commit({ puts: [{ key: marker, value: encodeRecord('store', storeFormatVersion + 1) }] }),
  );
  const refused = await runRookery(serverArguments({ data }));
  assert.notEqual(refused.code, 0);
  assert.match(
    refused.stderr,
    /store record has format \d+; this Rookery knows up to \d+: start a newer one/,
  );
  assert.equal(refused.stderr.trim().split('\n').length, 1, refused.stderr);
  await assert.rejects(
    withStore(data, async () => undefined),
    /start a newer one/,
  );
});

test('blobs that were compressed are read in ranges, and the space saved is a metric', async () => {
  await using folder = await makeTemporaryFolder();
  const data = folder.at('data');
  const text = `Subject: to be compressed\r\n\r\n${Array.from({ length: 60_000 }, (_, line) => `line ${line}\r\n`).join('')}`;
  {
    await using server = await ServerProcess.start({ data, accounts: ['alice'] });
    await storeMessage(server.admin, 'alice', { bytes: text });
    await server.stop();
  }
  const saved = await withStore(data, async (engine) => {
    const shared = { engine, clock: systemClock, log: silentLog, compression: { level: 3 } };
    await using blobs = await openFilesystemBlobStore({ ...shared, directory: join(data, 'blobs') });
    return (await blobs.compressOld({ olderThanMs: -1 })).saved;
  });
  assert.ok(saved > text.length / 2, `${saved} bytes saved of ${text.length}`);
  await using server = await ServerProcess.start({ data });
  const imap = await LineSession.open(server.ports.imap);
  await imap.line();
  await imap.command(`l LOGIN ${addressOf('alice')} "${passwordOf('alice')}"`, 'l OK');
  await imap.command('s SELECT INBOX', 's OK');
  const frame = 256 * 1024;
  for (const [offset, length] of [
    [0, 100],
    [frame - 50, 100],
    [frame, frame],
    [text.length - 10, 100],
  ] as const) {
    imap.write(`f FETCH 1 BODY.PEEK[]<${offset}.${length}>\r\n`);
    const size = Number(/\{(\d+)\}$/.exec(await imap.line())?.[1]);
    const expected = text.slice(offset, offset + length);
    assert.equal(size, expected.length);
    assert.equal((await imap.bytes(size)).toString('latin1'), expected);
    await imap.until('f OK');
  }
  imap.end();
  const metrics = await (await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`)).text();
  assert.equal(Number(/^rookery_blob_bytes_saved (\d+)$/m.exec(metrics)?.[1]), saved);
  await server.stop();
});
