// What the port does with mailboxes, quota and sessions, on every engine.

import assert from 'node:assert/strict';
import type { ModSeq } from '../mail/ids.ts';
import type { AccountEvent } from './port.ts';
import { newMessage, newOperation, testAccountId, unloadAccount } from './testing.ts';
import { append, flagsOf, onEngines, refusedWith } from './testing-engines.ts';

onEngines('a new account has the usual mailboxes, subscribed', async ({ account, hosts }) => {
  const { mailboxes, subscriptions } = await account.listMailboxes();
  assert.deepEqual(
    mailboxes.map(({ name, role }) => `${name}:${role}`),
    ['INBOX:inbox', 'Drafts:drafts', 'Sent:sent', 'Junk:junk', 'Trash:trash', 'Archive:archive'],
  );
  assert.deepEqual([...subscriptions].sort(), ['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash']);
  assert.equal(new Set(mailboxes.map((mailbox) => mailbox.uidValidity)).size, 6);
  await assert.rejects(hosts.create(testAccountId), refusedWith('conflict'));
});

onEngines('mailboxes: create, rename with children, delete, places, subscriptions', async ({ account }) => {
  const names = async () =>
    (await account.listMailboxes()).mailboxes
      .filter(({ role }) => role === undefined)
      .map(({ name, selectable }) => (selectable ? name : `(${name})`))
      .sort();
  const create = (name: string) => account.createMailbox({ operation: newOperation(), name });
  const rename = (from: string, to: string) => account.renameMailbox({ operation: newOperation(), from, to });
  const remove = (name: string) => account.deleteMailbox({ operation: newOperation(), name });
  const leaf = await create('a/b/c');
  await append(account, { name: 'a/b/c' });
  assert.deepEqual(await names(), ['a', 'a/b', 'a/b/c']);
  await assert.rejects(create('a/b'), refusedWith('mailboxExists'));
  for (const name of ['', '/', 'x//y', '/x', 'x\u0000', 'x'.repeat(256), Array(33).fill('x').join('/')]) {
    await assert.rejects(create(name), refusedWith('invalidMailboxName'), JSON.stringify(name));
  }
  await assert.rejects(create('inbox'), refusedWith('mailboxExists'));
  assert.equal((await create('iNbOx/Caf\u0065\u0301/')).name, 'INBOX/Caf\u00e9');
  await remove('INBOX/Caf\u00e9');
  await rename('a', 'z/y');
  assert.deepEqual(await names(), ['z', 'z/y', 'z/y/b', 'z/y/b/c']);
  const moved = (await account.findMailbox({ name: 'z/y/b/c' }))!;
  assert.equal(moved.id, leaf.id);
  assert.equal(moved.messages, 1);
  await assert.rejects(rename('z', 'z/q'), refusedWith('invalidMailboxName'));
  await assert.rejects(rename('z/y', 'Sent'), refusedWith('mailboxExists'));
  await assert.rejects(rename('nothing', 'new'), refusedWith('noSuchMailbox'));
  await remove('z/y/b');
  assert.deepEqual(await names(), ['(z/y/b)', 'z', 'z/y', 'z/y/b/c']);
  await assert.rejects(
    account.openMailbox({ name: 'z/y/b' }, { claimRecent: false }),
    refusedWith('mailboxNotSelectable'),
  );
  await assert.rejects(append(account, { name: 'z/y/b' }), refusedWith('mailboxNotSelectable'));
  await assert.rejects(remove('z/y/b'), refusedWith('conflict'));
  await create('z/y/b');
  assert.deepEqual(await names(), ['z', 'z/y', 'z/y/b', 'z/y/b/c']);
  await remove('z/y/b/c');
  assert.equal((await account.quota()).messagesUsed, 0);
  assert.equal((await account.changesSince(leaf.id, 0 as ModSeq)).exists, false);
  const again = await create('z/y/b/c');
  assert.ok(again.uidValidity > leaf.uidValidity);
  assert.notEqual(again.id, leaf.id);
  await assert.rejects(remove('INBOX'), refusedWith('notSupported'));
  await assert.rejects(remove('gone'), refusedWith('noSuchMailbox'));
  await account.setSubscribed({ operation: newOperation(), name: 'not/there', subscribed: true });
  await account.setSubscribed({ operation: newOperation(), name: 'Sent', subscribed: false });
  assert.deepEqual([...(await account.listMailboxes()).subscriptions].sort(), [
    'Archive',
    'Drafts',
    'INBOX',
    'Junk',
    'Trash',
    'not/there',
  ]);
});

onEngines('renaming INBOX moves its messages and leaves it', async ({ account, inbox }) => {
  await append(account, { id: inbox }, ['\\Seen']);
  await append(account, { id: inbox });
  await account.createMailbox({ operation: newOperation(), name: 'INBOX/kept' });
  const target = await account.renameMailbox({ operation: newOperation(), from: 'inbox', to: 'old/mail' });
  assert.equal(target.messages, 2);
  assert.deepEqual(await flagsOf(account, target.id), { 1: '\\Seen', 2: '' });
  assert.equal((await account.findMailbox({ role: 'inbox' }))!.messages, 0);
  assert.notEqual(await account.findMailbox({ name: 'INBOX/kept' }), undefined);
});

onEngines(
  'a quota that was set again after the answer was lost is not set over a newer one',
  async ({ account }) => {
    const first = { operation: newOperation(), bytesMax: 1_000, messagesMax: undefined };
    await account.setQuota(first);
    await account.setQuota({ operation: newOperation(), bytesMax: 2_000, messagesMax: 7 });
    await account.setQuota(first);
    const { bytesMax, messagesMax } = await account.quota();
    assert.deepEqual([bytesMax, messagesMax], [2_000, 7]);
  },
);

onEngines('quota is never passed, by deliveries at the same time neither', async ({ account, inbox }) => {
  const message = newMessage();
  const size = message.prepared.bytes.length;
  await account.setQuota({ operation: newOperation(), bytesMax: size * 5, messagesMax: undefined });
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => append(account, { id: inbox })));
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5);
  for (const outcome of outcomes) if (outcome.status === 'rejected') refusedWith('overQuota')(outcome.reason);
  assert.deepEqual(await account.quota(), {
    bytesUsed: size * 5,
    messagesUsed: 5,
    bytesMax: size * 5,
    messagesMax: undefined,
  });
  await account.copy({
    operation: newOperation(),
    from: inbox,
    uids: Uint32Array.of(1),
    to: { role: 'archive' },
    move: false,
  });
  await account.setQuota({ operation: newOperation(), bytesMax: undefined, messagesMax: 5 });
  await assert.rejects(append(account, { id: inbox }), refusedWith('overQuota'));
  const { uids } = await account.openMailbox({ id: inbox }, { claimRecent: false });
  assert.deepEqual([...uids], [1, 2, 3, 4, 5]);
});

onEngines('an append to what is not there goes to INBOX when asked', async ({ account, inbox }) => {
  const options = { target: { name: 'Lists/x' }, messages: [newMessage()] };
  await assert.rejects(
    account.append({ ...options, operation: newOperation() }),
    refusedWith('noSuchMailbox'),
  );
  const appended = await account.append({ ...options, operation: newOperation(), orInbox: true });
  assert.equal(appended.mailboxId, inbox);
});

onEngines('opening tells what is recent once, and the first unseen', async ({ account, inbox, hosts }) => {
  for (const flags of [['\\Seen'], [], ['\\Seen']]) await append(account, { id: inbox }, flags);
  const look = await account.openMailbox({ id: inbox }, { claimRecent: false });
  assert.deepEqual([look.recentFrom, look.firstUnseen], [1, 2]);
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent: newOperation() })).recentFrom, 1);
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent: newOperation() })).recentFrom, 4);
  await append(account, { id: inbox });
  const claimRecent = newOperation();
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent })).recentFrom, 4);
  // A retry is told the same, and a host that reads the account again knows of the claim.
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent })).recentFrom, 4);
  await unloadAccount(hosts);
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent: false })).recentFrom, 5);
  await append(account, { id: inbox });
  await unloadAccount(hosts);
  assert.equal((await account.openMailbox({ id: inbox }, { claimRecent: false })).recentFrom, 5);
});

onEngines('watchers hear of durable changes, and survive unloading', async ({ account, inbox, hosts }) => {
  const events: AccountEvent[] = [];
  const stop = account.watch((event) => events.push(event));
  const { modSeq } = await append(account, { id: inbox });
  assert.deepEqual(events, [{ type: 'mailbox', mailboxId: inbox, modSeq }]);
  await unloadAccount(hosts);
  const again = await (await hosts.open(testAccountId)).createMailbox({
    operation: newOperation(),
    name: 'new',
  });
  assert.deepEqual(
    events.slice(1).map(({ type }) => type),
    ['mailbox', 'mailboxes'],
  );
  assert.equal(again.messages, 0);
  stop();
  await append(account, { id: inbox });
  assert.equal(events.length, 3);
  assert.deepEqual([...(await account.changesSince(inbox, modSeq)).changed.uids], [2]);
});

onEngines('the maildrop has one session at a time', async ({ account }) => {
  {
    await using _lock = await account.lockMaildrop();
    await assert.rejects(account.lockMaildrop(), refusedWith('inUse'));
  }
  await using _again = await account.lockMaildrop();
});

onEngines('a removed account is gone with all of its rows', async ({ account, hosts, engine, inbox }) => {
  const events: AccountEvent[] = [];
  account.watch((event) => events.push(event));
  await append(account, { id: inbox });
  await hosts.remove(testAccountId);
  assert.deepEqual(events.at(-1), { type: 'closed' });
  await assert.rejects(hosts.open(testAccountId), refusedWith('noSuchAccount'));
  await assert.rejects(append(account, { id: inbox }), refusedWith('noSuchAccount'));
  const rows = await engine.page(
    { start: Buffer.from([2, 0x61]), end: Buffer.from([2, 0x62]) },
    { entriesMax: 10, bytesMax: 1e6 },
  );
  assert.deepEqual(rows.entries, []);
  await hosts.create(testAccountId);
  assert.equal((await (await hosts.open(testAccountId)).listMailboxes()).mailboxes.length, 6);
});
