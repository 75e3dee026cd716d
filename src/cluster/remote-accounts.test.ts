// Accounts across nodes: real links on loopback, real hosts over one engine in memory, hand-overs and cuts at will.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../account/port.ts';
import { shardOf } from '../account/shard.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../account/testing.ts';
import { refusedWith } from '../account/testing-engines.ts';
import { systemClock } from '../base/clock.ts';
import type { AccountId, MailboxId, ModSeq, Uid } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { accountServiceName } from './account-service.ts';
import { NotHostedHere } from './links/link-failure.ts';
import { deliver, inbox, listen, openNodes, portAt, testShard } from './testing-account-nodes.ts';

test('every method answers over a link what it answers at the host', async () => {
  await using nodes = await openNodes();
  const remote = await portAt(nodes, 'f');
  const local = await nodes.node('a').hosts.open(testAccountId);
  const large = Buffer.concat([messageText({ subject: 'Large' }), Buffer.alloc(300_000, 'x\r\n')]);
  const appended = await remote.append({
    operation: newOperation(),
    target: { name: 'inbox' },
    messages: [newMessage(messageText(), ['\\Seen', 'Work']), newMessage(large), newMessage()],
    orInbox: true,
  });
  assert.deepEqual([...appended.uids], [1, 2, 3]);
  const box = appended.mailboxId;
  await remote.createMailbox({ operation: newOperation(), name: 'Lists/One' });
  const renamed = { operation: newOperation(), from: 'Lists/One', to: 'Lists/Zwei' };
  assert.deepStrictEqual(
    await remote.renameMailbox(renamed),
    await local.findMailbox({ name: 'Lists/Zwei' }),
  );
  await remote.setSubscribed({ operation: newOperation(), name: 'Elsewhere', subscribed: true });
  const copied = await remote.copy({
    operation: newOperation(),
    from: box,
    uids: Uint32Array.of(1, 3),
    to: { name: 'Lists/Zwei' },
    move: false,
  });
  assert.deepStrictEqual(
    [copied.sourceUids, copied.targetUids],
    [Uint32Array.of(1, 3), Uint32Array.of(1, 2)],
  );
  const stored = await remote.storeFlags({
    operation: newOperation(),
    mailboxId: box,
    uids: Uint32Array.of(3, 9),
    mode: 'add',
    flags: ['\\Deleted'],
    unchangedSince: undefined,
  });
  assert.deepStrictEqual([stored.messages.uids, stored.missing], [Uint32Array.of(3), Uint32Array.of(9)]);
  const expunged = await remote.expunge({
    operation: newOperation(),
    mailboxId: box,
    uids: undefined,
    anyFlags: false,
  });
  assert.deepStrictEqual(expunged.uids, Uint32Array.of(3));
  await remote.deleteMailbox({ operation: newOperation(), name: 'Trash' });
  await remote.setQuota({ operation: newOperation(), bytesMax: 5_000_000, messagesMax: undefined });
  const note = { name: '/private/comment', value: Buffer.from('of one box') };
  await remote.setAnnotations({ operation: newOperation(), mailboxId: box, changes: [note] });
  await remote.setAcl({
    operation: newOperation(),
    mailboxId: box,
    identifier: 'group=staff',
    mode: 'add',
    rights: 'lrd',
  });
  const replaced = await remote.replace({
    operation: newOperation(),
    target: { id: box },
    messages: [newMessage(messageText({ subject: 'Instead' }))],
    replaces: { mailboxId: box, uid: 1 as Uid },
  });
  assert.deepStrictEqual(replaced.uids, Uint32Array.of(4));
  const staging = newOperation();
  const piece = { staging, target: { id: box }, messages: [newMessage(), newMessage()] };
  await remote.stage({ ...piece, operation: newOperation(), from: 0 });
  await remote.stage({ ...piece, operation: newOperation(), from: 2 });
  const staged = await remote.appendStaged({ ...piece, operation: newOperation(), messages: 4 });
  assert.deepStrictEqual(staged.targetUids, Uint32Array.of(5, 6, 7, 8));
  await remote.stage({ ...piece, operation: newOperation(), from: 0 });
  await remote.discardStaged({ staging });
  assert.equal((await local.quota()).messagesUsed, 8);
  await remote.rebuildSearchIndex();
  const all = Uint32Array.of(1, 2, 7);
  const questions: ((port: AccountPort) => Promise<unknown>)[] = [
    (port) => port.listMailboxes(),
    (port) => port.findMailbox({ name: 'nowhere' }),
    (port) => port.openMailbox({ id: box }, { claimRecent: false }),
    (port) => port.columns(box, undefined),
    (port) => port.columns(box, Uint32Array.of(2)),
    (port) => port.changesSince(box, appended.modSeq),
    (port) => port.changesSince(77 as MailboxId, 0 as ModSeq),
    (port) => port.readRange(box, 2 as Uid, { offset: 100, length: 250_000 }),
    (port) => port.readRange(box, 9 as Uid, { offset: 0, length: 1 }),
    (port) =>
      port.search(box, { type: 'and', keys: [{ type: 'flag', name: 'work', set: true }, { type: 'all' }] }),
    (port) => port.search(box, { type: 'not', key: { type: 'header', field: 'Subject', text: 'Large' } }),
    (port) => {
      const criteria = [{ field: 'subject', reverse: true } as const];
      return port.sort(box, { key: { type: 'all' }, criteria, favoured: undefined });
    },
    (port) => port.thread(box, { key: { type: 'all' }, algorithm: 'references' }),
    (port) => port.annotations(box),
    (port) => port.acl(box),
    (port) => port.accountsSharedWithMe(),
    (port) => port.quota(),
    (port) => port.searchIndex(),
  ];
  for (const question of questions) assert.deepStrictEqual(await question(remote), await question(local));
  const bytesOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('latin1');
  const read = async (port: AccountPort) =>
    (await port.readMessages(box, all, 1e7)).map(({ bytes, ...rest }) => ({
      ...rest,
      bytes: bytesOf(bytes),
    }));
  assert.deepStrictEqual(await read(remote), await read(local));
  const summaries = async (port: AccountPort) =>
    (await port.readSummaries(box, all, 1e7)).map((one) => ({ ...one, summary: bytesOf(one.summary) }));
  assert.deepStrictEqual(await summaries(remote), await summaries(local));
  const fields = async (port: AccountPort) => {
    const choice = { names: ['subject', 'date'], matching: true };
    const told = await port.readHeaderFields(box, all, { choice, bytesMax: 1e6 });
    return { ...told, bytes: bytesOf(told.bytes) };
  };
  assert.deepStrictEqual(await fields(remote), await fields(local));
  await assert.rejects(remote.columns(99 as MailboxId, undefined), refusedWith('noSuchMailbox'));
  const nobody = 'zzzzzzzzzzzzzzzz' as AccountId;
  await nodes.give(shardOf(nobody), 'b');
  await assert.rejects(nodes.node('f').accounts.open(nobody), refusedWith('noSuchAccount'));
});

test('a delivery is one call to the host, who refuses what cannot be', async () => {
  const asked: string[] = [];
  const authorize = ({ method }: { method: string }): void => void asked.push(method);
  await using nodes = await openNodes({ authorize });
  const { accounts } = nodes.node('f');
  const local = await nodes.node('a').hosts.open(testAccountId);
  const delivery = { operation: newOperation(), message: newMessage(), detail: undefined };
  await accounts.deliveries.deliver(testAccountId, delivery);
  await accounts.deliveries.deliver(testAccountId, delivery);
  assert.deepEqual(asked, ['append', 'append']);
  assert.equal((await local.quota()).messagesUsed, 1);
  const nobody = 'zzzzzzzzzzzzzzzz' as AccountId;
  await nodes.give(shardOf(nobody), 'b');
  const lost = { ...delivery, operation: newOperation() };
  await assert.rejects(accounts.deliveries.deliver(nobody, lost), refusedWith('noSuchAccount'));
});

test('what a peer sends is checked before an account sees it', async () => {
  await using nodes = await openNodes();
  const { pool, accounts } = nodes.node('f');
  const place = {
    node: nodes.node('a').name,
    address: { host: '127.0.0.1', port: nodes.node('a').relay.port },
  };
  const call = (method: string, ...given: unknown[]) =>
    pool.call(
      place,
      { service: accountServiceName, method, grant: undefined, arguments: given },
      { timeoutMs: 5_000 },
    );
  let deep: unknown = { type: 'all' };
  for (let depth = 0; depth < 60; depth++) deep = { type: 'not', key: deep };
  const wrong: readonly (readonly [string, ...unknown[]])[] = [
    ['quota'],
    ['quota', '../etc', []],
    ['quota', testAccountId, [1]],
    ['columns', testAccountId, ['1', undefined]],
    ['columns', testAccountId, [1, [1, 2]]],
    ['append', testAccountId, [{ operation: 'o', target: inbox, messages: [{ prepared: {}, flags: [] }] }]],
    ['append', testAccountId, [{ operation: 'ö', target: inbox, messages: [] }]],
    ['search', testAccountId, [1, deep]],
    ['search', testAccountId, [1, { type: 'flag', name: 5, set: true }]],
    ['watch', testAccountId, undefined],
  ];
  for (const [method, ...given] of wrong) {
    await assert.rejects(call(method, ...given), refusedWith('invalidArgument'));
  }
  for (const method of ['constructor', 'accountId', 'toString', 'nothing']) {
    await assert.rejects(call(method, testAccountId, []), refusedWith('notSupported'));
  }
  assert.equal((await (await accounts.open(testAccountId)).quota()).messagesUsed, 0);
});

test('the grant of a session goes with each call, and the host decides', async () => {
  const seen: [string, string, string | undefined][] = [];
  const authorize = (call: { method: string; grant: Uint8Array | undefined }, peer: string): void => {
    seen.push([peer, call.method, call.grant && Buffer.from(call.grant).toString()]);
    if (call.method === 'quota') throw new MailError('permissionDenied', 'not with this grant');
  };
  await using nodes = await openNodes({ authorize, grantOf: () => Buffer.from('mine') });
  const port = await portAt(nodes, 'f');
  await port.listMailboxes();
  await assert.rejects(port.quota(), refusedWith('permissionDenied'));
  assert.deepEqual(seen, [
    ['f', 'open', 'mine'],
    ['f', 'listMailboxes', 'mine'],
    ['f', 'quota', 'mine'],
  ]);
});

for (const way of ['move', 'take'] as const) {
  test(`sessions here and there go on when the account is given elsewhere (${way})`, async () => {
    await using nodes = await openNodes();
    const ports = await Promise.all(['a', 'b', 'f'].map((name) => portAt(nodes, name)));
    const listeners = ports.map((port) => listen(port));
    for (const to of ['b', 'a', 'b']) {
      for (const port of ports) await deliver(port);
      await nodes[way](testShard, to);
    }
    const { uids, modSeq } = await deliver(ports[0]!);
    assert.deepEqual([...uids], [10]);
    for (const [index, port] of ports.entries()) {
      assert.equal((await port.findMailbox(inbox))!.messages, 10);
      await listeners[index]!.until((event) => event.type !== 'closed' && event.modSeq >= modSeq);
      listeners[index]!.stop();
    }
    assert.ok(listeners.every(({ events }) => events.every(({ type }) => type !== 'closed')));
  });
}

test('a node whose lease ran out serves nothing, and calls wait until somebody does', async () => {
  await using nodes = await openNodes();
  const [here, there] = await Promise.all([portAt(nodes, 'a'), portAt(nodes, 'f')]);
  nodes.node('a').hasLease = false;
  let answered = 0;
  const reads = [here, there].map((port) => port.quota().then(() => answered++));
  for (let turn = 0; turn < 20; turn++) await systemClock.nextTurn();
  assert.equal(answered, 0);
  await nodes.take(testShard, 'b');
  await Promise.all(reads);
  assert.equal(answered, 2);
});

test('an old host that says nothing is not waited for once the account is known to be elsewhere', async () => {
  await using nodes = await openNodes({ limits: { silentMs: 600_000 } });
  const port = await portAt(nodes, 'f');
  await deliver(port);
  nodes.node('a').relay.freeze();
  const calls = [deliver(port), port.quota()];
  await nodes.take(testShard, 'b');
  await Promise.all(calls);
  assert.equal((await port.findMailbox(inbox))!.messages, 2);
  // Nor is a link to it, which would never be made.
  nodes.node('a').relay.cut();
  await nodes.give(testShard, 'a');
  const waiting = port.quota();
  await nodes.give(testShard, 'b');
  assert.equal((await waiting).messagesUsed, 2);
});

test('with no host for longer than patience lasts, calls are refused as unavailable', async () => {
  await using nodes = await openNodes({ patienceMs: 50 });
  const port = await portAt(nodes, 'f');
  nodes.node('a').hasLease = false;
  await assert.rejects(port.listMailboxes(), refusedWith('unavailable'));
  await assert.rejects(deliver(port), refusedWith('unavailable'));
  nodes.node('a').hasLease = true;
  assert.equal((await deliver(port)).uids[0], 1);
});

test('a watch hears of what happened while it was cut off, and of the end of its account', async () => {
  await using nodes = await openNodes();
  const [here, there] = await Promise.all([portAt(nodes, 'a'), portAt(nodes, 'f')]);
  const archive = (await here.findMailbox({ role: 'archive' }))!.id;
  const watch = listen(there);
  await watch.until(({ type }) => type === 'mailboxes');
  nodes.node('a').relay.freeze();
  const { mailboxId, modSeq } = await deliver(here);
  nodes.node('a').relay.cut();
  nodes.node('a').relay.thaw();
  await watch.until(
    (event) => event.type === 'mailbox' && event.mailboxId === mailboxId && event.modSeq >= modSeq,
  );
  assert.ok(!watch.events.some((event) => event.type === 'mailbox' && event.mailboxId === archive));
  const other = listen(here);
  await other.until(({ type }) => type === 'mailboxes');
  await nodes.node('b').accounts.endSessions(testAccountId);
  await Promise.all([watch, other].map(({ until }) => until(({ type }) => type === 'closed')));
  assert.equal((await there.quota()).messagesUsed, 1);
  const last = listen(there);
  await last.until(({ type }) => type === 'mailboxes');
  await nodes.node('f').accounts.remove(testAccountId);
  await last.until(({ type }) => type === 'closed');
  await assert.rejects(there.quota(), refusedWith('noSuchAccount'));
  await assert.rejects(nodes.node('f').accounts.remove(testAccountId), refusedWith('noSuchAccount'));
});

test('a shard is released when what was begun has ended, and nothing new is begun', async () => {
  await using nodes = await openNodes();
  const { hosted } = nodes.node('a');
  const here = await portAt(nodes, 'a');
  const begun = Array.from({ length: 5 }, () => deliver(here));
  const order: string[] = [];
  const released = hosted.onShardReleasing(testShard).then(() => order.push('released'));
  const all = Promise.all(begun).then(() => order.push('delivered'));
  await assert.rejects(
    hosted.call(testAccountId, { method: 'quota', given: [], actor: undefined }),
    NotHostedHere,
  );
  await Promise.all([released, all]);
  assert.deepEqual(order, ['delivered', 'released']);
  assert.deepEqual(nodes.node('a').hosts.statistics().loaded, 0);
});

test('when the database lost commits, sessions that saw them end; others see what there is', async () => {
  await using nodes = await openNodes();
  const port = await portAt(nodes, 'f');
  const { mailboxId } = await deliver(port);
  const everything = { start: Buffer.of(0), end: Buffer.of(255) };
  const rows = async () =>
    (await nodes.engine.page(everything, { entriesMax: 100_000, bytesMax: 1e9 })).entries;
  const kept = await rows();
  const watched = listen(port);
  await deliver(port, messageText({ subject: 'Lost' }));
  await watched.until((event) => event.type === 'mailbox' && event.mailboxId === mailboxId);
  const deletes = (await rows()).map(({ key }) => key);
  await nodes.engine.commit({ deletes, puts: kept });
  await nodes.give(testShard, 'b');
  nodes.node('a').hosted.onShardDropped(testShard);
  await watched.until(({ type }) => type === 'closed');
  watched.stop();
  const anew = await portAt(nodes, 'f');
  assert.equal((await anew.columns(mailboxId, undefined)).uids.length, 1);
});
