// The shared directory of large messages is a mount that is missing, as a node starts or while it runs: the node refuses to start,
// large messages are put off, none is written below the mount point, and none that was acknowledged is lost. Mounted again,
// all goes on without a restart. Small messages, which are in the database, come and go all the while.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ClusterProcesses } from '../cluster/cluster-processes.ts';
import type { NodeProcess } from '../cluster/node-process.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { LineSession } from './line-session.ts';

const isRoot = process.getuid?.() === 0;
const skip = missingPostgres() || (isRoot ? false : 'needs root to mount a directory: run the tests as root');

const textOf = (number: number, bytes: number): string =>
  `Subject: number ${number}\r\n\r\n`.padEnd(bytes, `${number} filling\r\n`).concat('\r\n');
const large = 300_000;
const small = 1000;

const provoked = [/^delivery failed$/, /^command failed$/, /^an account could not be checked$/];

async function deliver(lmtp: LineSession, text: string): Promise<string> {
  await lmtp.reply('MAIL FROM:<a@example.org>');
  assert.match(await lmtp.reply(`RCPT TO:<${addressOf('alice')}>`), /^250 /);
  await lmtp.reply('DATA');
  return lmtp.reply(`${text}.`);
}

/** The sizes that a node gives these messages of alice's in full; undefined: it cannot read it now. */
async function sizesOf(node: NodeProcess, ...numbers: readonly number[]): Promise<(number | undefined)[]> {
  const imap = await LineSession.open(node.port('imap'), node.host);
  await imap.line();
  await imap.command(`l LOGIN ${addressOf('alice')} "${passwordOf('alice')}"`, 'l OK');
  await imap.command('s SELECT INBOX', 's OK');
  const sizes: (number | undefined)[] = [];
  for (const number of numbers) {
    imap.write(`f FETCH ${number} BODY.PEEK[]\r\n`);
    const line = await imap.line();
    const literal = /\{(\d+)\}$/.exec(line);
    if (literal === null) assert.match(line, /^f NO \[UNAVAILABLE\]/);
    sizes.push(literal === null ? undefined : (await imap.bytes(Number(literal[1]))).length);
    if (literal !== null) await imap.until('f OK');
  }
  imap.end();
  return sizes;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test('the shared directory is not mounted', { skip }, async () => {
  await using folder = await makeTemporaryFolder();
  const [disk, mail] = [folder.at('disk'), folder.at('mail')];
  await mkdir(disk);
  // What a node of before left, which wrote below the mount point.
  for (let number = 0; number < 256; number++) {
    const [first, second] = number.toString(16).padStart(2, '0');
    await mkdir(join(mail, first!, second!), { recursive: true });
  }
  let isMounted = false;
  const mount = (): void => {
    execFileSync('mount', ['--bind', disk, mail]);
    isMounted = true;
  };
  // Lazily: the node holds it, as it would hold one whose server is gone.
  const unmount = (): void => {
    execFileSync('umount', ['-l', mail]);
    isMounted = false;
  };
  mount();
  try {
    await using cluster = await ClusterProcesses.start({
      nodes: 1,
      users: ['alice'],
      settingsOf: (name) =>
        name === 'node1' ? ['storage.blobs=directory', `storage.blob_directory=${mail}`] : [],
    });
    const node = cluster.nodes[0]!;
    const lmtp = await LineSession.open(node.port('lmtp'), node.host);
    await lmtp.reply();
    await lmtp.reply('LHLO load.example');
    assert.match(await deliver(lmtp, textOf(1, large)), /^250 /);
    assert.equal((await filesIn(disk)).length, 2, 'the mark and the blob');

    unmount();
    for (let number = 2; number < 5; number++)
      assert.match(await deliver(lmtp, textOf(number, large)), /^451 4\.3\./);
    assert.match(await deliver(lmtp, textOf(5, small)), /^250 /);
    assert.deepEqual(await filesIn(mail), []);
    const told = await node.server.logged(({ err }) => /not this store's/.test(JSON.stringify(err ?? '')));
    assert.match(JSON.stringify(told.err), /is missing, expected .* Is its file system mounted\?/);
    const [unread, among] = await sizesOf(node, 1, 2);
    assert.ok(unread === undefined && among! > small, `${[unread, among]}`);
    const checked = await node.server.rookery(['store', 'check']);
    assert.match(checked.stdout, /it could not be checked: .*Is its file system mounted.* reported$/m);
    assert.match(checked.stdout, /^findings: +1$/m);
    await assert.rejects(cluster.addNode(), /is not this store's: its file rookery-store is missing/);
    assert.deepEqual(await filesIn(mail), []);

    mount();
    assert.match(await deliver(lmtp, textOf(6, large)), /^250 /);
    lmtp.end();
    assert.equal((await filesIn(disk)).length, 3, 'the mark and two blobs');
    const second = cluster.nodes[1]!;
    await second.start();
    for (const through of [node, second]) {
      const [before, between, after] = await sizesOf(through, 1, 2, 3);
      assert.ok(before! > large && between! < large && after! > large, `${[before, between, after]}`);
    }
    await cluster.stop(provoked);
  } finally {
    if (isMounted) unmount();
  }
});
