// An index that an administrator has built again: searches answer what a scan answers before, during and after it, whatever is
// delivered meanwhile, and a crash in the middle loses nothing but time.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LocalAccount } from '../local-account.ts';
import type { SearchIndexStatus } from '../port-reads.ts';
import { AccountKeys } from '../records/account-keys.ts';
import {
  failingEngine,
  messageText,
  newOperation,
  openTestHosts,
  storeCheckFindings,
  type TestHosts,
  testAccountId,
  unloadAccount,
} from '../testing.ts';
import { indexVersion, unpackDirectory } from './segment-directory.ts';
import { deliver, scanned } from './testing-scan.ts';

const keys = new AccountKeys(testAccountId);
const limits = { indexMessagesMin: 1 };
const words = ['thread', 'needle', 'haystack', 'straw', 'needlework'];
const questions: readonly SearchKey[] = [
  { type: 'body', text: 'needle' },
  { type: 'text', text: 'straw 1' },
  { type: 'header', field: 'subject', text: 'of hay' },
];

const messages = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) =>
    messageText({ subject: `Stack ${index} of hay`, body: `${words[index % words.length]} ${index}` }),
  );

async function asksTheSame(opened: TestHosts, account: LocalAccount, mailbox: MailboxId): Promise<void> {
  for (const key of questions) {
    // Before the search and after it: messages may come while it runs.
    const before = await scanned(opened, account, { mailbox, key });
    const found = [...(await account.search(mailbox, key))];
    const after = await scanned(opened, account, { mailbox, key });
    assert.ok(before.length > 0);
    assert.deepEqual(found.slice(0, before.length), before, JSON.stringify(key));
    assert.deepEqual(found, after.slice(0, found.length), JSON.stringify(key));
  }
}

async function untilBuilt(account: LocalAccount): Promise<SearchIndexStatus> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const status = await account.searchIndex();
    if (!status.isBuilding) return status;
    assert.ok(Date.now() < deadline, 'the index is not built again');
    await systemClock.sleep(10);
  }
}

test('an index is built again while messages come and searches ask: they find what a scan finds', async () => {
  const opened = await openTestHosts({ limits });
  const account = await opened.hosts.host(testAccountId);
  const inbox = await deliver(account, messages(40));
  await account.settleIndex();
  const before = await untilBuilt(account);
  const { segments, bytes } = before;
  assert.ok(segments > 0 && bytes > 1_000);
  const built = { messages: 40, waiting: 0, isBuilding: false, segments, bytes, version: indexVersion };
  assert.deepEqual(before, built);

  await account.rebuildSearchIndex();
  assert.deepEqual(await account.searchIndex(), {
    ...built,
    waiting: 40,
    isBuilding: true,
    segments: 0,
    bytes: 0,
  });
  let delivered = 40;
  for (let round = 0; round < 6; round++) {
    if (round === 3) await account.rebuildSearchIndex();
    await Promise.all([deliver(account, messages(3)), asksTheSame(opened, account, inbox)]);
    delivered += 3;
  }
  const after = await untilBuilt(account);
  assert.deepEqual([after.messages, after.waiting], [delivered, 0]);
  assert.ok(after.segments > 0 && after.bytes > bytes);
  await asksTheSame(opened, account, inbox);
  assert.deepEqual(await storeCheckFindings(opened, false), []);
  await opened.hosts.close();
});

test('what is being made for the old index never comes into the new one', async () => {
  const memory = openMemoryEngine();
  let atCommit: (() => Promise<void>) | undefined;
  const engine = failingEngine(
    memory,
    async ({ puts = [] }) => {
      const act = atCommit;
      if (act === undefined || !puts.some(({ key }) => Buffer.compare(key, keys.searchDirectory()) === 0))
        return;
      atCommit = undefined;
      await act();
      return;
    },
    () => new Error('full'),
  );
  const opened = await openTestHosts({ engine, limits });
  const account = await opened.hosts.host(testAccountId);
  await deliver(account, messages(20));
  await account.settleIndex();
  let rebuilt: Promise<void> | undefined;
  // While the segment of those that came now is on its way to the disk.
  atCommit = async () => {
    rebuilt = account.rebuildSearchIndex();
    await systemClock.nextTurn();
  };
  const inbox = await deliver(account, messages(20));
  await account.settleIndex();
  await rebuilt;
  await untilBuilt(account);
  const directory = unpackDirectory((await memory.get(keys.searchDirectory()))!);
  assert.equal(directory.indexedThrough, 40);
  assert.deepEqual(
    directory.segments.map(({ messages: count }) => count),
    [40],
  );
  await asksTheSame(opened, account, inbox);
  assert.deepEqual(await storeCheckFindings(opened, false), []);
  await opened.hosts.close();
});

test('who builds while the index is thrown away goes on with the new one', async () => {
  const memory = openMemoryEngine();
  let atRead: (() => Promise<void>) | undefined;
  const engine = new Proxy(memory, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      if (property !== 'page') return value.bind(target);
      return async (...given: Parameters<typeof target.page>) => {
        const act = atRead;
        atRead = undefined;
        await act?.();
        return target.page(...given);
      };
    },
  });
  const opened = await openTestHosts({ engine, limits });
  const account = await opened.hosts.host(testAccountId);
  await deliver(account, messages(20));
  await account.settleIndex();
  await deliver(account, messages(20));
  atRead = () => account.rebuildSearchIndex();
  await account.settleIndex();
  assert.equal(atRead, undefined);
  const { waiting, segments } = await account.searchIndex();
  assert.deepEqual([waiting, segments], [0, 1]);
  await opened.hosts.close();
});

test('the server stops right after the index was thrown away: the next host builds it', async () => {
  const before = await openTestHosts({ limits });
  const first = await before.hosts.host(testAccountId);
  const inbox = await deliver(first, messages(30));
  await first.settleIndex();
  await first.rebuildSearchIndex();
  const { engine, blobs } = before;
  assert.equal(unpackDirectory((await engine.get(keys.searchDirectory()))!).indexedThrough, 0);
  await before.hosts.close();
  const opened = await openTestHosts({ engine, blobs, limits, create: false });
  const account = await opened.hosts.host(testAccountId);
  const built = await untilBuilt(account);
  assert.deepEqual([built.messages, built.waiting, built.segments], [30, 0, 1]);
  await asksTheSame(opened, account, inbox);
  await opened.hosts.close();
});

test('few messages wait until more come, and that is not building; expunged ones do not count beyond what is there', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 16 } });
  const account = await opened.hosts.host(testAccountId);
  const inbox = await deliver(account, messages(15));
  await account.rebuildSearchIndex();
  await account.settleIndex();
  const few = { messages: 15, waiting: 15, isBuilding: false, segments: 0, bytes: 0, version: indexVersion };
  assert.deepEqual(await untilBuilt(account), few);
  const uids = Uint32Array.of(1, 2, 3, 4, 5);
  await account.expunge({ operation: newOperation(), mailboxId: inbox, uids, anyFlags: true });
  assert.deepEqual(await untilBuilt(account), { ...few, messages: 10, waiting: 10 });
  await unloadAccount(opened.hosts);
  assert.deepEqual(await untilBuilt(account), { ...few, messages: 10, waiting: 10 });
  await deliver(account, messages(1));
  const { waiting, segments } = await untilBuilt(account);
  assert.deepEqual([waiting, segments], [0, 1]);
  await opened.hosts.close();
});
