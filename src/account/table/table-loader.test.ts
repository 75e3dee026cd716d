// Columns that are read beside commits are never older than what is committed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { newMessage, newOperation, openTestHosts, testAccountId, unloadAccount } from '../testing.ts';

const inbox = { role: 'inbox' } as const;
const { start: rowPrefix } = new AccountKeys(testAccountId).rows('m');

/** Calls back when message rows were read, before whoever asked gets them. */
function readingEngine(engine: Engine, read: () => Promise<void>): Engine {
  const isRow = (key: Bytes): boolean => Buffer.compare(key.subarray(0, rowPrefix.length), rowPrefix) === 0;
  return new Proxy(engine, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== 'page') return typeof value === 'function' ? value.bind(target) : value;
      const page: Engine['page'] = async (range, limits) => {
        const found = await target.page(range, limits);
        if (isRow(range.start)) await read();
        return found;
      };
      return page;
    },
  });
}

test('a commit to the mailbox while its columns are read is in them', async () => {
  let during: (() => Promise<unknown>) | undefined;
  const engine = readingEngine(openMemoryEngine(), async () => {
    const happens = during;
    during = undefined;
    await happens?.();
  });
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const append = (count: number) => {
    const messages = Array.from({ length: count }, () => newMessage());
    return account.append({ operation: newOperation(), target: inbox, messages });
  };
  await append(3);
  await unloadAccount(hosts);
  during = () => append(2);
  const { info, uids } = await account.openMailbox(inbox, { claimRecent: false });
  assert.deepEqual([...uids], [1, 2, 3, 4, 5]);
  await unloadAccount(hosts);
  const one = { operation: newOperation(), mailboxId: info.id, uids: Uint32Array.of(2) };
  during = () => account.expunge({ ...one, anyFlags: true });
  assert.deepEqual([...(await account.columns(info.id, undefined)).uids], [1, 3, 4, 5]);
  assert.equal(during, undefined);
  await hosts.close();
});

test('columns that are read while a commit is on its way are those before it or those after it', async () => {
  const answered = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  let isHeld = false;
  const inner = openMemoryEngine();
  const engine: Engine = new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== 'commit') return typeof value === 'function' ? value.bind(target) : value;
      const commit: Engine['commit'] = async (batch) => {
        const result = await target.commit(batch);
        if (isHeld) {
          written.resolve();
          await answered.promise;
        }
        return result;
      };
      return commit;
    },
  });
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const messages = [newMessage(), newMessage(), newMessage()];
  await account.append({ operation: newOperation(), target: inbox, messages });
  const { id } = (await account.findMailbox(inbox))!;
  await unloadAccount(hosts);
  isHeld = true;
  const one = { operation: newOperation(), mailboxId: id, uids: Uint32Array.of(2) };
  const expunging = account.expunge({ ...one, anyFlags: true });
  await written.promise;
  // As for a commit that did without the columns (pack-pages.ts): they are read beside it.
  const { state } = (await hosts.host(testAccountId)).writer;
  state!.mailbox(id)!.table = undefined;
  const reading = account.columns(id, undefined);
  await systemClock.nextTurn();
  answered.resolve();
  await expunging;
  assert.deepEqual([...(await reading).uids], [1, 3]);
  assert.deepEqual([...(await account.columns(id, undefined)).uids], [1, 3]);
  await hosts.close();
});

test('sessions that open a mailbox at the same time read it once', async () => {
  let reads = 0;
  const engine = readingEngine(openMemoryEngine(), async () => {
    reads++;
  });
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  await account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  await unloadAccount(hosts);
  reads = 0;
  const open = () => account.openMailbox(inbox, { claimRecent: false });
  for (const { uids } of await Promise.all([open(), open(), open()])) assert.deepEqual([...uids], [1]);
  assert.equal(reads, 1);
  await hosts.close();
});
