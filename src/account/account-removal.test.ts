// Removing an account takes everything of it, whatever state it is in: in use, cut off half-way, damaged, set aside.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import { encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import { checkStore } from './check/store-check.ts';
import type { AccountEvent } from './port.ts';
import { decodeAccount, encodeAccount } from './records/account-record.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openTestHosts,
  type TestHosts,
  testAccountId,
} from './testing.ts';

const accountKey = encodeTuple(['a', testAccountId]);
const inbox = { role: 'inbox' } as const;
const large = Buffer.concat([messageText(), Buffer.alloc(200_000, 'y')]);

async function filled(): Promise<TestHosts> {
  const opened = await openTestHosts();
  const account = await opened.hosts.open(testAccountId);
  const messages = [newMessage(), newMessage(large)];
  await account.append({ operation: newOperation(), target: inbox, messages });
  return opened;
}

async function rowsLeft(engine: Engine): Promise<number> {
  const { entries } = await engine.page(
    { start: Buffer.of(0), end: Buffer.of(255) },
    { entriesMax: 1e6, bytesMax: 1e9 },
  );
  const shards = await engine.page(tuplePrefixRange(['fence']), { entriesMax: 1e6, bytesMax: 1e9 });
  return entries.length - shards.entries.length;
}

async function assertGone({ hosts, engine, blobs }: TestHosts): Promise<void> {
  assert.equal(await rowsLeft(engine), 0);
  assert.equal((await blobs.collect()).removed, 1);
  await assert.rejects(hosts.open(testAccountId), (error) => isMailError(error, 'noSuchAccount'));
  await assert.rejects(hosts.remove(testAccountId), (error) => isMailError(error, 'noSuchAccount'));
}

test('an account that is in use goes, and its sessions are told', async () => {
  const opened = await filled();
  const account = await opened.hosts.open(testAccountId);
  const events: AccountEvent[] = [];
  account.watch((event) => events.push(event));
  const late = account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  await Promise.all([opened.hosts.remove(testAccountId), late.catch(() => undefined)]);
  assert.deepEqual(events.at(-1), { type: 'closed' });
  await assert.rejects(account.listMailboxes(), (error) => isMailError(error, 'noSuchAccount'));
  await assertGone(opened);
});

async function markRemoved({ engine, hosts }: TestHosts): Promise<void> {
  await hosts.close();
  const record = decodeAccount((await engine.get(accountKey))!);
  await engine.commit({ puts: [{ key: accountKey, value: encodeAccount({ ...record, removed: true }) }] });
}

test('a removal that was cut off is finished when it is asked for again', async () => {
  const opened = await filled();
  await markRemoved(opened);
  const again = { ...(await openTestHosts({ ...opened, create: false })) };
  await assert.rejects(again.hosts.open(testAccountId), (error) => isMailError(error, 'noSuchAccount'));
  await again.hosts.remove(testAccountId);
  await assertGone(again);
});

test('store check reports a removal that was cut off, and finishes it', async () => {
  const opened = await filled();
  await markRemoved(opened);
  const again = { ...(await openTestHosts({ ...opened, create: false })) };
  for (const [repair, action] of [
    [false, 'reported'],
    [true, 'repaired'],
  ] as const) {
    const events = await Array.fromAsync(
      checkStore({ ...again, clock: systemClock, log: silentLog, repair }),
    );
    const what = 'its removal was cut off';
    const findings = events.filter((event) => event.type === 'finding');
    assert.deepEqual(findings, [{ type: 'finding', accountId: testAccountId, what, action }]);
  }
  await assertGone(again);
});

test('an account whose record is damaged can be removed', async () => {
  const opened = await filled();
  await opened.hosts.close();
  await opened.engine.commit({ puts: [{ key: accountKey, value: Buffer.from('garbage') }] });
  const again = await openTestHosts({ ...opened, create: false });
  await again.hosts.remove(testAccountId);
  await assertGone(again);
});

test('what store check set aside goes too, with its hold on a blob', async () => {
  const opened = await filled();
  await opened.hosts.close();
  const { engine } = opened;
  const rows = await engine.page(tuplePrefixRange(['a', testAccountId, 'm']), {
    entriesMax: 9,
    bytesMax: 1e6,
  });
  await engine.commit({ deletes: rows.entries.map(({ key }) => key) });
  const again = await openTestHosts({ ...opened, create: false });
  await Array.fromAsync(checkStore({ ...again, clock: systemClock, log: silentLog, repair: true }));
  assert.equal((await again.blobs.collect()).removed, 0);
  assert.ok(
    (await engine.page(tuplePrefixRange(['quarantine']), { entriesMax: 9, bytesMax: 1e6 })).entries.length >
      0,
  );
  await again.hosts.remove(testAccountId);
  await assertGone(again);
});
