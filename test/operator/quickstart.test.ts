// The quick start: a first start shows endpoints, passwords and commands to try, which work as printed; a second one goes on
// with the same accounts and mail and shows no passwords.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeTemporaryFolder, missingPrograms, runWell, type TemporaryFolder } from '../run-program.ts';
import { listenerNames, ServerProcess } from '../server-process.ts';

async function start(data: string, workers = 1): Promise<ServerProcess> {
  const settings = [`workers=${workers}`];
  const server = await ServerProcess.start({ command: 'quickstart', data, settings });
  await server.printed(/open {2}neomutt .*\n/);
  return server;
}

/** What stands behind a word of the "Try it" block. */
function tried(server: ServerProcess, word: string): string {
  const line = new RegExp(`^  ${word} +(.+)$`, 'm').exec(server.stdout)?.[1];
  assert.ok(line !== undefined, server.stdout);
  return line;
}

/** Gives the passwords. */
async function usesItsCommands(data: string, workers: number): Promise<string> {
  await using server = await start(data, workers);
  const file = join(data, 'quickstart.txt');
  const passwords = readFileSync(file, 'utf8');
  assert.match(
    passwords,
    /^alice@example\.test \S{20}\nbob@example\.test \S{20}\nadmin@example\.test \S{20}\n$/,
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  for (const line of passwords.trim().split('\n')) {
    const [address, password] = line.split(' ');
    assert.ok(server.stdout.includes(`  ${address}  ${password}\n`));
  }
  for (const name of listenerNames)
    assert.match(server.stdout, new RegExp(`^${name} +127\\.0\\.0\\.1:${server.ports[name]}$`, 'm'));
  await runWell('sh', ['-c', tried(server, 'send')]);
  const { stdout } = await runWell('sh', ['-c', tried(server, 'read')]);
  assert.match(stdout, /^Subject: hello\r\n\r\nIt works\.\r\n/m);
  const accounts = await server.json<{ address: string; administrator: boolean }[]>(['account', 'list']);
  const administrators = accounts.filter(({ administrator }) => administrator);
  assert.deepEqual(
    administrators.map(({ address }) => address),
    ['admin@example.test'],
  );
  await server.stop();
  return passwords;
}

describe('quickstart', { skip: missingPrograms('curl') }, () => {
  let folder: TemporaryFolder;
  let passwords: string;
  before(async () => {
    folder = await makeTemporaryFolder();
  });
  after(() => folder.remove());

  test('a first start: the commands it prints work', async () => {
    // Which worker has a connection, and which the account, is chance.
    await usesItsCommands(folder.at('workers'), 2);
    passwords = await usesItsCommands(folder.at('data'), 1);
  });

  test('a second start goes on: same passwords, same mail', async () => {
    await using server = await start(folder.at('data'));
    assert.equal(readFileSync(folder.at('data', 'quickstart.txt'), 'utf8'), passwords);
    for (const line of passwords.trim().split('\n')) assert.ok(!server.stdout.includes(line.split(' ')[1]!));
    assert.match(server.stdout, /Their first passwords are in .*quickstart\.txt/);
    const password = passwords.split('\n')[1]!.split(' ')[1]!;
    const { stdout } = await runWell('sh', ['-c', tried(server, 'read').replace('PASSWORD', password)]);
    assert.match(stdout, /^Subject: hello\r\n\r\nIt works\.\r\n/m);
    await server.stop();
  });

  test('an account that was removed stays removed', async () => {
    await using first = await start(folder.at('data'));
    await first.rookery(['account', 'remove', 'bob@example.test']);
    await first.stop();
    await using server = await start(folder.at('data'));
    const accounts = await server.json<{ address: string }[]>(['account', 'list']);
    assert.deepEqual(accounts.map(({ address }) => address).sort(), [
      'admin@example.test',
      'alice@example.test',
    ]);
    await server.stop();
  });

  test('a first start that was cut off goes on with the same passwords', async () => {
    await mkdir(folder.at('cut'), { mode: 0o700 });
    await writeFile(folder.at('cut', 'quickstart.txt.new'), passwords, { mode: 0o600 });
    await using server = await start(folder.at('cut'));
    assert.equal(readFileSync(folder.at('cut', 'quickstart.txt'), 'utf8'), passwords);
    const accounts = await server.json<{ address: string }[]>(['account', 'list']);
    assert.equal(accounts.length, 3);
    const [, password] = passwords.split(/\s/);
    assert.ok(server.stdout.includes(password!), 'they were never shown to the end');
    await server.stop();
  });
});
