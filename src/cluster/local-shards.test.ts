import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAccountHosts } from '../account/account-hosts.ts';
import type { AccountEvent } from '../account/port.ts';
import { newMessage, newOperation, openMemoryBlobStore, testAccountId } from '../account/testing.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { isMailError, type MailError } from '../mail/mail-error.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { acquireAllShards, forgetWhenReverted } from './local-shards.ts';

const refused = (kind: MailError['kind']) => (error: unknown) => isMailError(error, kind);
const inbox = { role: 'inbox' } as const;

test('who takes the shards over fences the one before, whose sessions end', async () => {
  const engine = openMemoryEngine();
  const blobs = openMemoryBlobStore(engine);
  const open = async () =>
    openAccountHosts({
      engine,
      blobs,
      shards: await acquireAllShards(engine),
      clock: systemClock,
      log: silentLog,
    });
  const first = await open();
  await first.create(testAccountId);
  const before = await first.open(testAccountId);
  const events: AccountEvent[] = [];
  before.watch((event) => events.push(event));
  await before.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  const second = await open();
  const after = await second.open(testAccountId);
  await after.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  const late = () => before.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  await assert.rejects(late(), refused('unavailable'));
  await assert.rejects(late(), refused('unavailable'));
  await assert.rejects(before.listMailboxes(), refused('unavailable'));
  assert.deepEqual(events.at(-1), { type: 'closed' });
  assert.equal((await after.findMailbox(inbox))!.messages, 2);
});

test('accounts are read again when the store lost what they remember', async () => {
  const engine = openMemoryEngine();
  let revert = (): void => {};
  engine.onReverted = (listener) => {
    revert = () => listener(true);
    return () => {};
  };
  const blobs = openMemoryBlobStore(engine);
  const shards = await acquireAllShards(engine);
  const hosts = openAccountHosts({ engine, blobs, shards, clock: systemClock, log: silentLog });
  using _ = forgetWhenReverted(engine, hosts, silentLog);
  await hosts.create(testAccountId);
  const everything = { start: Buffer.of(0), end: Buffer.of(255) };
  const { entries } = await engine.page(everything, { entriesMax: 1_000, bytesMax: 1e9 });
  const before = await hosts.open(testAccountId);
  const events: AccountEvent[] = [];
  before.watch((event) => events.push(event));
  const append = { operation: newOperation(), target: inbox, messages: [newMessage()] };
  await before.append(append);
  // A change that is being decided on what was.
  const { info, uids } = await before.openMailbox(inbox, { claimRecent: false });
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const getMany = engine.getMany.bind(engine);
  engine.getMany = async (keys) => {
    const values = await getMany(keys);
    asked.resolve();
    await answered.promise;
    return values;
  };
  const late = before.copy({ operation: newOperation(), from: info.id, uids, to: inbox, move: false });
  await asked.promise;
  engine.getMany = getMany;
  await engine.commit({ deleteRanges: [everything], puts: entries });
  revert();
  answered.resolve();
  await assert.rejects(late, refused('unavailable'));
  assert.deepEqual(events.at(-1), { type: 'closed' });
  const after = await hosts.open(testAccountId);
  assert.equal((await after.findMailbox(inbox))!.messages, 0);
  await after.append({ ...append, operation: newOperation() });
  assert.equal((await after.findMailbox(inbox))!.messages, 1);
});

test('every shard of the store has a higher epoch each time, also when two take them at once', async () => {
  const engine = openMemoryEngine();
  const [one, two] = await Promise.all([acquireAllShards(engine), acquireAllShards(engine)]);
  const three = await acquireAllShards(engine);
  for (const shard of [0, 17, 255] as never[]) {
    assert.notEqual(one.epochOf(shard), two.epochOf(shard));
    assert.equal(three.epochOf(shard), 3);
  }
});
