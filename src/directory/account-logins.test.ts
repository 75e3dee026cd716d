// What a node that has not heard of a change yet knows of one account when it is told that its sessions end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../storage/engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { InternalDirectory } from './internal-directory.ts';
import { fromHere, openTestDirectory } from './testing.ts';

const password = 'secret';

/** Counts what is read, and hears no signals. */
function deafEngine(engine: Engine): { readonly deaf: Engine; readonly reads: () => number } {
  let reads = 0;
  const deaf = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'subscribe') return () => () => {};
      if (name === 'get' || name === 'getMany' || name === 'page') reads++;
      const member = Reflect.get(target, name) as unknown;
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return { deaf, reads: () => reads };
}

async function twoDirectories() {
  const engine = openMemoryEngine();
  const { directory } = await openTestDirectory({}, engine);
  await directory.addDomain({ name: 'other.test' });
  const { deaf, reads } = deafEngine(engine);
  const { directory: behind } = await openTestDirectory({}, deaf);
  const add = async (address: string) => {
    const account = await directory.addAccount({ address, password });
    const [localPart, domain] = address.split('@') as [string, string];
    const ask = async () => ({
      login: await login(behind, address, password),
      epoch: await behind.sessionEpoch(account.id, 'imap'),
      fullName: (await behind.account(account.id))?.fullName,
      delivery: (await behind.resolve({ localPart, domain })).outcome,
    });
    return { id: account.id, address, ask };
  };
  return { directory, behind, reads, add };
}

async function login(directory: InternalDirectory, user: string, given: string) {
  const credentials = { user, password: given, authorizationId: '' };
  return directory.verifyPassword(credentials, fromHere).then(
    ({ sessionEpoch }) => sessionEpoch,
    (error: { kind: string }) => error.kind,
  );
}

test('an account whose sessions end is read again, and nothing that is known of others', async () => {
  const { directory, behind, reads, add } = await twoDirectories();
  const [alice, bob] = [await add('alice@example.test'), await add('bob@example.test')];
  const known = await bob.ask();
  const before = await alice.ask();
  assert.equal(known.login, known.epoch);
  await directory.setPassword(alice.id, 'the second');
  await directory.setAccount(alice.id, { fullName: 'Alice' });
  assert.deepEqual(await alice.ask(), before);
  behind.forgetReads(alice.id);
  const readBefore = reads();
  assert.deepEqual(await bob.ask(), known);
  assert.equal(reads(), readBefore);
  const epoch = await directory.sessionEpoch(alice.id, 'imap', true);
  const now = { login: 'authenticationFailed', epoch, fullName: 'Alice', delivery: 'deliver' };
  assert.deepEqual(await alice.ask(), now);
  assert.equal(await login(behind, alice.address, 'the second'), epoch);
  assert.notEqual(epoch, before.epoch);
  assert.ok(reads() > readBefore);
});

test('of a disabled domain each account that is told of it is refused, though nothing else was forgotten', async () => {
  const { directory, behind, reads, add } = await twoDirectories();
  const told = [await add('alice@other.test'), await add('bob@other.test')];
  const elsewhere = await add('carol@example.test');
  const known = await elsewhere.ask();
  for (const account of told) await account.ask();
  await directory.setDomain('other.test', { enabled: false });
  for (const { id, ask } of told) {
    behind.forgetReads(id);
    const readBefore = reads();
    assert.deepEqual(await elsewhere.ask(), known);
    assert.equal(reads(), readBefore);
    const { login: outcome, epoch } = await ask();
    assert.deepEqual([outcome, epoch], ['authenticationFailed', undefined]);
  }
});
