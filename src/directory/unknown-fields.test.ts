// Nodes of one version and the next work side by side: what the newer one put into a row stays there when this one changes it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bytes } from '../storage/engine.ts';
import type { RecordKind } from '../storage/record.ts';
import { decodeRow, keys, put } from './rows.ts';
import { openTestDirectory } from './testing.ts';

const name = 'example.test';
const address = `alice@${name}`;
const alias = `info@${name}`;
const fields = { newer: { than: ['this'] }, '2': 'two' };

test('fields of a newer version are kept by whatever changes their rows, and shown to nobody', async () => {
  const { directory, engine } = await openTestDirectory();
  const { id } = await directory.addAccount({ address, password: 'the first' });
  await directory.addAlias({ address: alias, targets: [address] });
  const rows: readonly (readonly [kind: RecordKind, key: Bytes])[] = [
    ['domain', keys.domain(name)],
    ['directoryAccount', keys.account(id)],
    ['alias', keys.alias(alias)],
    ['secret', keys.secret(id)],
  ];
  const read = async (kind: RecordKind, key: Bytes) => decodeRow<object>(kind, (await engine.get(key))!);
  for (const [kind, key] of rows)
    await engine.commit({ puts: [put(key, kind, { ...(await read(kind, key)), ...fields })] });
  directory.forgetReads();

  const shown = [
    await directory.setDomain(name, { enabled: false, description: 'changed' }),
    await directory.setDomain(name, { enabled: true }),
    await directory.setAccount(id, { fullName: 'Alice', services: ['imap'] }),
    await directory.setAlias(alias, { enabled: false }),
    await directory.account(id),
    await directory.domain(name),
    await directory.addAppPassword(id, { name: 'phone', services: ['imap'] }),
  ];
  await directory.setPassword(id, 'the second');
  for (const value of shown) assert.doesNotMatch(JSON.stringify(value), /newer|two/);
  const [domain, account, changedAlias, secret] = await Promise.all(
    rows.map(async ([kind, key]) => {
      const row = await read(kind, key);
      assert.deepEqual({ ...row, ...fields }, row, kind);
      return row as Record<string, unknown>;
    }),
  );
  assert.deepEqual([domain!.description, domain!.enabled], ['changed', true]);
  assert.deepEqual([account!.fullName, changedAlias!.enabled], ['Alice', false]);
  assert.equal((secret!.appPasswords as unknown[]).length, 1);
  await directory[Symbol.asyncDispose]();
});

test('a field that this version knows is never taken from what was not known', async () => {
  const { directory, engine } = await openTestDirectory();
  await directory.addDomain({ name: 'other.test', description: 'one', catchAll: 'a@example.test' });
  const key = keys.domain('other.test');
  const row = decodeRow<object>('domain', (await engine.get(key))!);
  await engine.commit({ puts: [put(key, 'domain', { ...row, ...fields })] });
  directory.forgetReads();
  await directory.setDomain('other.test', { catchAll: undefined });
  assert.equal('catchAll' in decodeRow<object>('domain', (await engine.get(key))!), false);
  assert.equal((await directory.domain('other.test'))?.catchAll, undefined);
  await directory[Symbol.asyncDispose]();
});

test('fields of a newer version stay in the note of how far a domain’s telling came', async () => {
  const { directory, engine } = await openTestDirectory();
  const addresses = Array.from({ length: 101 }, (_, at) => `user${at + 100}@${name}`);
  for (const one of addresses) await directory.addAccount({ address: one, password: undefined });
  await directory[Symbol.asyncDispose]();
  const key = keys.endingDomain(name);
  await engine.commit({ puts: [put(key, 'domain', { name, sessions: 'x', ...fields })] });
  let count = 0;
  let between: unknown;
  const onSessionsEnded = async (): Promise<void> => {
    if (++count === 101) between = decodeRow('domain', (await engine.get(key))!);
  };
  const { directory: next } = await openTestDirectory({ hooks: { onSessionsEnded } }, engine);
  await next.settled();
  const told = addresses.toSorted()[99];
  assert.deepEqual([between, await engine.get(key)], [{ name, sessions: 'x', told, ...fields }, undefined]);
  await next[Symbol.asyncDispose]();
});
