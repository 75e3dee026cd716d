// Every kind of row of the directory is damaged or taken away in turn; a check must notice, leave things alone unless it
// may repair, and after a repair find nothing more, while mail is taken as before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine, Entry } from '../storage/engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { tuplePrefixRange } from '../storage/tuple.ts';
import { fromHere, openTestDirectory, type TestDirectory } from './testing.ts';

async function filled(): Promise<Engine> {
  const engine = openMemoryEngine();
  const { directory } = await openTestDirectory({}, engine);
  const alice = await directory.addAccount({
    address: 'alice@example.test',
    addresses: ['a@example.test'],
    password: 'secret',
    administrator: true,
  });
  await directory.addAlias({ address: 'team@example.test', targets: ['alice@example.test'] });
  await directory.addAppPassword(alice.id, { name: 'phone', services: ['imap'] });
  await directory[Symbol.asyncDispose]();
  return engine;
}

async function rows(engine: Engine, ...prefix: string[]): Promise<readonly Entry[]> {
  const range = tuplePrefixRange(prefix);
  return (await engine.page(range, { entriesMax: 1000, bytesMax: 1e6 })).entries;
}

const found = async ({ directory }: TestDirectory, repair: boolean): Promise<string[]> => {
  const findings = await Array.fromAsync(directory.check({ repair }));
  return findings.map(({ what, action }) => `${action}: ${what}`);
};

async function assertTakesMail({ directory }: TestDirectory): Promise<void> {
  for (const localPart of ['alice', 'a']) {
    const { outcome } = await directory.resolve({ localPart, domain: 'example.test' });
    assert.equal(outcome, 'deliver', localPart);
  }
}

test('a sound directory has no findings', async () => {
  const opened = await openTestDirectory({}, await filled());
  assert.deepEqual(await found(opened, true), []);
});

for (const table of [
  'domain',
  'members',
  'address',
  'account',
  'login',
  'administrator',
  'secret',
  'alias',
  'store',
]) {
  test(`a damaged row of ${table} is found and mended`, async () => {
    const engine = await filled();
    const [{ key, value }] = (await rows(engine, 'directory', table)) as [Entry];
    const damaged = Buffer.from(value);
    damaged[damaged.length - 2]! ^= 1;
    // The secret of the store is needed to open it: damaged while it runs.
    const opened = await openTestDirectory({}, engine);
    await engine.commit({ puts: [{ key, value: damaged }], signals: ['directory'] });
    const before = await rows(engine, 'directory');
    const reported = await found(opened, false);
    assert.ok(
      reported.length > 0 && reported.every((line) => line.startsWith('reported: ')),
      reported.join('\n'),
    );
    assert.deepEqual(await rows(engine, 'directory'), before);
    const repaired = await found(opened, true);
    assert.ok(
      repaired.every((line) => !line.startsWith('reported: ')),
      repaired.join('\n'),
    );
    assert.deepEqual(await found(opened, true), []);
    assert.equal((await rows(engine, 'quarantine')).length, 1);
    await assertTakesMail(opened);
    const login = { user: 'alice@example.test', password: 'secret', authorizationId: '' };
    if (table === 'account' || table === 'secret')
      await assert.rejects(opened.directory.verifyPassword(login, fromHere));
    else await opened.directory.verifyPassword(login, fromHere);
  });
}

for (const table of ['address', 'login', 'administrator']) {
  test(`a lost row of ${table} is made again, one that leads to nobody goes`, async () => {
    const engine = await filled();
    const before = await rows(engine, 'directory', table);
    await engine.commit({ deletes: before.map(({ key }) => key) });
    const opened = await openTestDirectory({}, engine);
    assert.ok((await found(opened, true)).length >= 1);
    assert.deepEqual(await rows(engine, 'directory', table), before);
    await engine.commit({ deletes: (await rows(engine, 'directory', 'account')).map(({ key }) => key) });
    assert.ok((await found(opened, true)).length >= 1);
    assert.deepEqual(await found(opened, true), []);
    // The alias' own is left.
    assert.equal((await rows(engine, 'directory', table)).length, table === 'address' ? 1 : 0);
  });
}
