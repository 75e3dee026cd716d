// rookery store copy with whole servers: an embedded store with real mail goes to PostgreSQL and back, and everything a client
// could see is as it was: mailboxes, UIDs, flags, dates, bytes. Killed in the middle it goes on; stores in use are refused.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ImapFlow } from 'imapflow';
import { Client } from 'pg';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { authorityEntry } from '../../src/cluster/authority/authority-rows.ts';
import { saveCredentials } from '../../src/cluster/authority/credential-files.ts';
import { type NodeRow, nodeEntry } from '../../src/cluster/membership/cluster-rows.ts';
import { copyStores } from '../../src/compose-copy.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import type { StoreCopyOutcome } from '../../src/operator/store-copying.ts';
import { openFilesystemBlobStore } from '../../src/storage/blobs/filesystem-blob-store.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { bytesOf, mailboxesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';
import type { Ended, TemporaryFolder } from '../run-program.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, rookeryCommand, runRookery, ServerProcess } from '../server-process.ts';

const users = ['alice', 'bob'];
const surroundings = { clock: systemClock, log: silentLog };

/** Above every threshold for keeping a message beside its metadata: one that compressing makes smaller, one not. */
const compressible = `Subject: large\r\n\r\n${'a line that comes again and again\r\n'.repeat(20_000)}`;
const noise = Buffer.from(randomBytes(600_000).map((byte, at) => (at % 500 === 0 ? 10 : 33 + (byte % 220))));
const incompressible = Buffer.concat([Buffer.from('Subject: noise\r\n\r\n'), noise]);

const copyStore = (...args: string[]): Promise<Ended> => runRookery(['store', 'copy', ...args]);

async function copyWell(from: string, to: string): Promise<StoreCopyOutcome> {
  const { code, stdout, stderr } = await copyStore('--from', from, '--to', to, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as StoreCopyOutcome;
}

/** An embedded store with mail of every kind, and its blobs raw and compressed; what a client sees of it. */
async function fillStore(data: string): Promise<Picture> {
  const server = await ServerProcess.start({ data, accounts: users });
  const { admin } = server;
  for (let number = 0; number < 30; number++) {
    const mailbox = ['INBOX', 'Archive/2026', 'Sent'][number % 3]!;
    const flags = number % 4 === 0 ? ['\\Seen', '$label'] : number % 5 === 0 ? ['\\Flagged'] : [];
    const date = 1_700_000_000 + number;
    await storeMessage(admin, 'alice', { bytes: numberedMessage(number), mailbox, flags, date });
  }
  for (const user of users) await storeMessage(admin, user, { bytes: compressible, flags: ['\\Answered'] });
  await storeMessage(admin, 'bob', { bytes: incompressible, mailbox: 'Archive' });
  await moveAndExpunge(server);
  const picture = await pictureOf(server);
  await server.stop();
  await using engine = await openLmdbEngine({ directory: join(data, 'store'), ...surroundings });
  await using blobs = await openFilesystemBlobStore({
    directory: join(data, 'blobs'),
    engine,
    compression: { level: 3 },
    ...surroundings,
  });
  assert.equal((await blobs.compressOld({ olderThanMs: -1000 })).compressed, 1);
  return picture;
}

/** So that UIDs have gaps, and clients that come back have to be told. */
async function moveAndExpunge(server: ServerProcess): Promise<void> {
  await using client = await login(server, 'alice');
  await client.imap.mailboxOpen('INBOX');
  await client.imap.messageMove('2:3', 'Sent', { uid: true });
  await client.imap.messageDelete('5', { uid: true });
  await client.imap.messageFlagsAdd('6', ['\\Draft'], { uid: true });
}

async function login(
  server: ServerProcess,
  user: string,
): Promise<AsyncDisposable & { readonly imap: ImapFlow }> {
  const imap = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imaps,
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: addressOf(user), pass: passwordOf(user) },
    logger: false,
  });
  await imap.connect();
  return { imap, [Symbol.asyncDispose]: () => imap.logout() };
}

type Picture = readonly Readonly<Record<string, unknown>>[];

/** Everything a client can see, logged in with its old password. */
async function pictureOf(server: ServerProcess): Promise<Picture> {
  const picture: Record<string, unknown>[] = [];
  for (const user of users) {
    await using client = await login(server, user);
    for (const mailbox of await mailboxesOf(server.admin, user)) {
      const { name } = mailbox;
      const wanted = { uidNext: true, uidValidity: true, highestModseq: true } as const;
      const { uidNext, uidValidity, highestModseq } = await client.imap.status(name, wanted);
      const status = { uidNext, uidValidity: String(uidValidity), highestModseq: String(highestModseq) };
      const messages: Record<string, unknown>[] = [];
      for (const message of await messagesOf(server.admin, user, name)) {
        const bytes = await bytesOf(server.admin, user, { mailbox: name, uid: message.uid });
        messages.push({ ...message, digest: createHash('sha256').update(bytes).digest('hex') });
      }
      picture.push({ user, ...mailbox, ...status, messages });
    }
  }
  return picture;
}

async function assertServes(settings: readonly string[], data: string, picture: Picture): Promise<void> {
  const server = await ServerProcess.start({ data, settings });
  assert.deepEqual(await pictureOf(server), picture);
  assert.equal((await server.json<{ findings: number }>(['store', 'check'])).findings, 0);
  await server.stop();
}

const onPostgres = (url: string): string[] => ['storage.engine=postgres', `storage.url=${url}`];

describe('store copy', { skip: missingPostgres() }, () => {
  let folder: TemporaryFolder;
  let postgres: PostgresServer;
  let embedded: string;
  let picture: Picture;
  /** Where it was copied to, in PostgreSQL. */
  let copied: string;
  before(async () => {
    folder = await makeTemporaryFolder();
    postgres = await PostgresServer.start();
    embedded = folder.at('embedded');
    picture = await fillStore(embedded);
    copied = await postgres.makeDatabase();
    await copyWell(`lmdb:${embedded}`, copied);
  });
  after(async () => {
    await postgres[Symbol.asyncDispose]();
    await folder.remove();
  });

  test('moves a server to PostgreSQL and back, and no client sees a difference', async () => {
    const url = await postgres.makeDatabase();
    const there = await copyWell(`lmdb:${embedded}`, url);
    assert.deepEqual([there.blobs, there.resumed, there.damaged], [2, false, []]);
    assert.deepEqual(there.configuration, { storage: { engine: 'postgres', url } });
    await assertServes(onPostgres(url), folder.at('node'), picture);
    const data = folder.at('back');
    const told = await copyStore('--from', url, '--to', `lmdb:${data}`);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /^copied and read back \d+ rows \(\d+ bytes\) and 2 large messages/);
    assert.ok(
      told.stdout.includes(`    data = "${data}"\n\n    [storage]\n    engine = "lmdb"\n`),
      told.stdout,
    );
    await assertServes([], data, picture);
  });

  test('moves from PostgreSQL to PostgreSQL, with blobs in a directory', async () => {
    const other = await postgres.makeDatabase();
    const blobs = folder.at('shared-blobs');
    const withPassword = `${other.replace('rookery@', 'rookery:p4ssw0rd@')}?password=p4ssw0rd`;
    const told = await copyStore('--from', copied, '--to', withPassword, '--to-blobs', blobs);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /url = "postgres:\/\/rookery:\*\*\*@[^"]+\?password=\*\*\*"/);
    assert.ok(told.stdout.includes(`blob_directory = "${blobs}"`), told.stdout);
    assert.ok(!`${told.stdout}${told.stderr}`.includes('p4ssw0rd'));
    const settings = [...onPostgres(other), 'storage.blobs=directory', `storage.blob_directory=${blobs}`];
    await assertServes(settings, folder.at('node-shared'), picture);
  });

  test('goes on after it was killed', async () => {
    const url = await postgres.makeDatabase();
    const args = ['store', 'copy', '--from', `lmdb:${embedded}`, '--to', url, '--json'];
    {
      await using stop = await stopAtDirectory(url);
      const child = spawn(process.execPath, [rookeryCommand, ...args], { stdio: 'ignore' });
      const exited = once(child, 'exit');
      await stop.reached();
      child.kill('SIGKILL');
      await exited;
    }
    const unfinished = ServerProcess.start({ data: folder.at('early'), settings: onPostgres(url) });
    await assert.rejects(unfinished, /target of a copy that is not finished/);
    const again = await runRookery(args);
    assert.equal(again.code, 0, again.stderr);
    assert.equal((JSON.parse(again.stdout) as StoreCopyOutcome).resumed, true);
    await assertServes(onPostgres(url), folder.at('resumed'), picture);
  });

  test('leaves a cluster behind, unless it runs', async () => {
    const url = copied;
    const data = folder.at('of-a-node');
    await saveCredentials(data, { node: 'one' as NodeId, authorities: ['-'], certificate: '-', key: '-' });
    {
      await using engine = await openPostgresEngine({ url, ...surroundings });
      await engine.commit({ puts: [nodeEntry(nodeRow), authorityEntry({ cluster: 'c', authorities: [] })] });
    }
    {
      await using beating = await beat(url);
      const refused = await copyStore('--from', url, '--to', `lmdb:${data}`);
      assert.equal(refused.code, exitCodes.failure, refused.stderr);
      assert.match(refused.stderr, /node one runs on the store/);
      assert.ok(beating.beats > 0);
    }
    const told = await copyStore('--from', url, '--to', `lmdb:${data}`);
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /did not come along: `rookery cluster init` makes one/);
    assert.ok(told.stdout.includes(`remove ${data}/cluster before`), told.stdout);
  });

  test('refuses a store in use, a target that holds something, and what is no store', async () => {
    const url = await postgres.makeDatabase();
    const fresh = `lmdb:${folder.at('fresh')}`;
    const store = `lmdb:${embedded}`;
    const isRefused = (from: string, to: string, why: RegExp): Promise<void> =>
      assert.rejects(copyStores({ ...defaults, from, to }), why);
    {
      await using server = await ServerProcess.start({ settings: onPostgres(url) });
      const told = await copyStore('--from', url, '--to', fresh);
      assert.equal(told.code, exitCodes.failure);
      assert.match(
        told.stderr,
        /^rookery: the store at .* is in use from 127\.0\.0\.1: stop the servers first$/m,
      );
      await isRefused(`lmdb:${server.data}`, fresh, /there is no store in/);
      await server.stop();
    }
    await isRefused(store, url, /the target is not empty/);
    {
      await using _engine = await openLmdbEngine({ directory: join(embedded, 'store'), ...surroundings });
      await isRefused(store, fresh, /is in use by process \d+/);
    }
    await isRefused(await postgres.makeDatabase(), fresh, /there is nothing in the source/);
    await isRefused(url, url, /are the same store/);
    const told = await copyStore('--from', embedded, '--to', url);
    assert.equal(told.code, exitCodes.usage);
    assert.match(told.stderr, /--from: expected "lmdb:DIR"/);
  });
});

const defaults = { fromBlobs: undefined, toBlobs: undefined, skipDamaged: false, progress: () => {} };

/** Holds up whoever writes the directory's rows into the store at `url`; then lets go. */
async function stopAtDirectory(url: string): Promise<AsyncDisposable & { reached(): Promise<void> }> {
  await (await openPostgresEngine({ url, ...surroundings })).close();
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('SELECT pg_advisory_lock(1)');
  await client.query(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$`);
  await client.query(`CREATE TRIGGER hold BEFORE INSERT ON rookery.kv FOR EACH ROW
    WHEN (substring(NEW.key FROM 2 FOR 9) = 'directory'::bytea) EXECUTE FUNCTION hold()`);
  const waiting =
    "SELECT FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
  return {
    reached: async () => {
      while ((await client.query(waiting)).rowCount === 0) await systemClock.sleep(20);
    },
    // Its lock goes with the connection. What was held up then ends as well, committed or not: nobody waits for the answer.
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const nodeRow: NodeRow = {
  node: 'one' as NodeId,
  roles: ['backend'],
  weight: 1,
  zone: 'default',
  address: { host: '127.0.0.1', port: 1 },
  linkVersions: { min: 1, max: 1 },
  softwareVersion: '0',
  revision: 1,
  incarnation: 'first',
  beat: 1,
  state: 'active',
  load: { openAccounts: 0, sessions: 0, commitsPerSecond: 0 },
};

/** Renews the node's row as a node does that no connection is seen of. */
async function beat(url: string): Promise<AsyncDisposable & { readonly beats: number }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  let row = nodeRow;
  let isStopped = false;
  const beating = (async () => {
    while (!isStopped) {
      row = { ...row, revision: row.revision + 1, beat: row.beat + 1 };
      const { key, value } = nodeEntry(row);
      await client.query('UPDATE rookery.kv SET value = $2 WHERE key = $1', [key, value]);
      await systemClock.sleep(100);
    }
    await client.end();
  })();
  return {
    get beats() {
      return row.beat - nodeRow.beat;
    },
    [Symbol.asyncDispose]: () => {
      isStopped = true;
      return beating;
    },
  };
}
