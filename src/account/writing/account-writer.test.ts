// What the writer does when things go wrong around a commit: blobs that vanish, a full disk, a doubtful outcome.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import type { Batch } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { AccountEvent } from '../port.ts';
import {
  type CommitFault,
  failingEngine,
  messageText,
  newMessage,
  newOperation,
  openMemoryBlobStore,
  openTestHosts,
  testAccountId,
} from '../testing.ts';

const refused = (kind: MailError['kind']) => (error: unknown) => isMailError(error, kind);
const inbox = { role: 'inbox' } as const;

test('mutations that wait for a commit share the next one, in the order they came', async () => {
  const batches: Batch[] = [];
  const engine = failingEngine(
    openMemoryEngine(),
    (batch) => {
      batches.push(batch);
      return undefined;
    },
    () => new Error(),
  );
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  batches.length = 0;
  const uids: number[] = [];
  const append = async () => {
    const appended = await account.append({
      operation: newOperation(),
      target: inbox,
      messages: [newMessage()],
    });
    uids.push(...appended.uids);
  };
  const first = append();
  await Promise.resolve();
  await Promise.resolve();
  await Promise.all([first, append(), append(), append()]);
  assert.deepEqual(uids, [1, 2, 3, 4]);
  assert.ok(batches.length <= 2, `${batches.length} commits`);
});

test('a refused mutation leaves no trace in the group it was in', async () => {
  const { hosts } = await openTestHosts();
  const account = await hosts.open(testAccountId);
  const { id } = (await account.findMailbox(inbox))!;
  const append = (flags: string[]) =>
    account.append({
      operation: newOperation(),
      target: inbox,
      messages: [newMessage(), newMessage(messageText(), flags)],
    });
  const outcomes = await Promise.allSettled([
    append(['one']),
    append(['two', 'not a flag']),
    append(['three']),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const info = (await account.findMailbox({ id }))!;
  assert.deepEqual([info.messages, info.uidNext, info.keywords], [4, 5, ['one', 'three']]);
});

test('a full disk refuses, changes nothing, and is over when there is room', async () => {
  let fault: CommitFault;
  const engine = failingEngine(
    openMemoryEngine(),
    () => fault,
    () => new MailError('storageFull', 'full'),
  );
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const append = () => account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  fault = 'storageFull';
  const before = await account.listMailboxes();
  await assert.rejects(append(), refused('storageFull'));
  assert.deepEqual(await account.listMailboxes(), before);
  fault = undefined;
  assert.deepEqual([...(await append()).uids], [1]);
});

test('on a full disk what makes room goes on, also beside new mail; copies do not', async () => {
  let full = false;
  const engine = failingEngine(
    openMemoryEngine(),
    (batch) => (full && batch.fromReserve !== true ? 'storageFull' : undefined),
    () => new MailError('storageFull', 'full'),
  );
  const opened = await openTestHosts({ engine });
  const account = await opened.hosts.open(testAccountId);
  const mailboxId = (await account.findMailbox(inbox))!.id;
  const append = () =>
    account.append({ operation: newOperation(), target: inbox, messages: [newMessage(), newMessage()] });
  await append();
  full = true;
  const uids = Uint32Array.of(1);
  const copy = (move: boolean) =>
    account.copy({ operation: newOperation(), from: mailboxId, uids, to: { role: 'trash' }, move });
  const [late, flags, other, moved] = await Promise.allSettled([
    append(),
    account.storeFlags({
      operation: newOperation(),
      mailboxId,
      uids,
      mode: 'add',
      flags: ['\\Deleted'],
      unchangedSince: undefined,
    }),
    copy(false),
    copy(true),
  ]);
  assert.equal(flags.status, 'fulfilled');
  assert.equal(moved.status, 'fulfilled');
  for (const one of [late, other]) assert.ok(one.status === 'rejected' && refused('storageFull')(one.reason));
  await account.expunge({ operation: newOperation(), mailboxId, uids: undefined, anyFlags: true });
  const { mailboxes } = await account.listMailboxes();
  const counts = mailboxes
    .filter(({ messages }) => messages > 0)
    .map(({ name, messages }) => [name, messages]);
  assert.deepEqual(counts, [['Trash', 1]]);
  assert.equal((await account.quota()).messagesUsed, 1);
});

test('after a commit of unknown outcome watchers hear of what it did, and a retry is applied once', async () => {
  let fault: CommitFault;
  const engine = failingEngine(
    openMemoryEngine(),
    () => fault,
    () => new Error(),
  );
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const events: AccountEvent[] = [];
  account.watch((event) => events.push(event));
  const operation = newOperation();
  const append = () => account.append({ operation, target: inbox, messages: [newMessage()] });
  fault = 'unknownApplied';
  await assert.rejects(append(), Fault);
  fault = undefined;
  await (await hosts.host(testAccountId)).settled();
  assert.deepEqual(
    events.map(({ type }) => type),
    ['mailbox', 'mailboxes'],
  );
  assert.deepEqual([...(await append()).uids], [1]);
  assert.equal((await account.findMailbox(inbox))!.messages, 1);
});

test('a blob that was collected before its link was committed is put again', async () => {
  const engine = openMemoryEngine();
  const blobs = openMemoryBlobStore(engine);
  let puts = 0;
  const marker = { key: Buffer.from('blob-is-there'), value: Buffer.from('yes') };
  const { hosts } = await openTestHosts({
    engine,
    blobs: {
      ...blobs,
      // The collector takes the first one away; the link's condition notices.
      put: async (digest, bytes) => {
        await blobs.put(digest, bytes);
        if (++puts === 2) await engine.commit({ puts: [marker] });
      },
      link: async (digest, holder) => ({
        ...(await blobs.link(digest, holder)),
        conditions: [{ key: marker.key, expected: marker.value }],
      }),
    },
  });
  const account = await hosts.open(testAccountId);
  const large = Buffer.concat([messageText(), Buffer.alloc(200_000, 'z')]);
  const append = () =>
    account.append({ operation: newOperation(), target: inbox, messages: [newMessage(large)] });
  const appended = await append();
  assert.equal(puts, 2);
  assert.deepEqual([...appended.uids], [1]);
  const [read] = await account.readMessages(appended.mailboxId, appended.uids, 1e6);
  assert.deepEqual(Buffer.from(read!.bytes!), large);
  await engine.commit({ deletes: [marker.key] });
  await assert.rejects(append(), Fault);
});

test('a queue that is too long refuses instead of growing', async () => {
  const { hosts } = await openTestHosts({ limits: { queueMax: 3 } });
  const account = await hosts.open(testAccountId);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 5 }, () =>
      account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] }),
    ),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
  );
});

test('accounts are unloaded least recently used first, and come back when used', async () => {
  const { hosts } = await openTestHosts({ limits: { memoryBytesMax: 100_000 }, create: false });
  const accounts = [];
  for (let index = 0; index < 60; index++) {
    const accountId = `account${String(index).padStart(9, '0')}` as typeof testAccountId;
    await hosts.create(accountId);
    const account = await hosts.open(accountId);
    await account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
    accounts.push(account);
  }
  // The limit is looked at now and then, not at each use.
  for (let use = 0; use < 300; use++) await accounts.at(-1)!.quota();
  assert.ok(hosts.statistics().memoryBytes <= 100_000, `${hosts.statistics().memoryBytes} bytes`);
  const first = accounts[0]!;
  const appended = await first.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  assert.deepEqual([...appended.uids], [2]);
  assert.equal(await hosts.open(first.accountId), first);
  await hosts.close();
  await assert.rejects(hosts.open(first.accountId), refused('unavailable'));
  await assert.rejects(first.listMailboxes(), refused('unavailable'));
});

test('what a large copy left behind when it was cut off is gone before the next change', async () => {
  let commits = 0;
  let failAt = Number.POSITIVE_INFINITY;
  const memory = openMemoryEngine();
  const engine = failingEngine(
    memory,
    () => (++commits === failAt ? 'unknownApplied' : undefined),
    () => new Error(),
  );
  const { hosts } = await openTestHosts({ engine, limits: { messagesPerCommit: 2 } });
  const account = await hosts.open(testAccountId);
  const messages = Array.from({ length: 9 }, () => newMessage());
  const { mailboxId, uids } = await account.append({ operation: newOperation(), target: inbox, messages });
  // Five stages and the last commit: each of them fails once.
  for (let stage = 1; stage <= 5; stage++) {
    failAt = commits + stage;
    const copy = { from: mailboxId, uids, to: { role: 'archive' }, move: false } as const;
    await assert.rejects(account.copy({ ...copy, operation: newOperation() }), Fault);
    failAt = Number.POSITIVE_INFINITY;
    const archive = (await account.findMailbox({ role: 'archive' }))!;
    assert.equal(archive.messages, 0);
    assert.equal((await account.columns(archive.id, undefined)).uids.length, 0);
    await account.append({ operation: newOperation(), target: { role: 'trash' }, messages: [newMessage()] });
    const rows = await memory.page(
      { start: Buffer.from([0]), end: Buffer.from([255]) },
      { entriesMax: 1e5, bytesMax: 1e9 },
    );
    const { keys } = await (await hosts.host(testAccountId)).writer.open();
    const left = rows.entries.filter(({ key }) => Buffer.from(key).includes(keys.messages(archive.id).start));
    assert.deepEqual(left, []);
  }
});
