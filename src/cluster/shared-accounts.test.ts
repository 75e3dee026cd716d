// Others' accounts across nodes: who acts travels with each call, and the host says what he may, wherever it is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../account/port.ts';
import { shardOf } from '../account/shard.ts';
import type { People, Person } from '../account/sharing/people.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../account/testing.ts';
import { refusedWith } from '../account/testing-engines.ts';
import type { AccountId, MailboxId, ModSeq, Uid } from '../mail/ids.ts';
import { accountServiceName } from './account-service.ts';
import { listen, openNodes, testShard } from './testing-account-nodes.ts';

const actorId = 'actoractoractora' as AccountId;
const actor = 'actor@example.test';

function person(address: string): Person {
  return { address, addresses: [], groups: [], shared: false };
}

const people: People = {
  person: async (id) => {
    if (id === actorId) return person(actor);
    return id === testAccountId ? person('owner@example.test') : undefined;
  },
  addressesOf: async (address) => [address],
};

/** Node a hosts the owner and his mailbox `Team`, with one message; f is where the actor's session is. */
async function openShared() {
  const nodes = await openNodes({ people });
  const owner = await nodes.node('f').accounts.open(testAccountId);
  const { id: mailboxId } = await owner.createMailbox({ operation: newOperation(), name: 'Team' });
  await owner.append({ operation: newOperation(), target: { id: mailboxId }, messages: [newMessage()] });
  const give = (rights: string) =>
    owner.setAcl({ operation: newOperation(), mailboxId, identifier: actor, mode: 'replace', rights });
  const port = await nodes.node('f').accounts.open(testAccountId, actorId);
  return { nodes, owner, port, mailboxId, give };
}

test('somebody else has over a link what he has at the host, and no more', async () => {
  const { nodes, owner, port, mailboxId, give } = await openShared();
  await using _ = nodes;
  const local = await nodes.node('a').hosts.open(testAccountId, actorId);
  await give('lra');
  const questions: ((port: AccountPort) => Promise<unknown>)[] = [
    (each) => each.listMailboxes(),
    (each) => each.findMailbox({ name: 'INBOX' }),
    (each) => each.openMailbox({ name: 'Team' }, { claimRecent: false }),
    (each) => each.columns(mailboxId, undefined),
    (each) => each.changesSince(mailboxId, 0 as ModSeq),
    (each) => each.acl(mailboxId),
    (each) => each.annotations(mailboxId),
    (each) => each.search(mailboxId, { type: 'all' }),
    (each) => each.quota(),
  ];
  for (const question of questions) assert.deepStrictEqual(await question(port), await question(local));
  assert.deepEqual(
    (await port.listMailboxes()).mailboxes.map(({ name, rights }) => [name, rights]),
    [['Team', 'lra']],
  );
  assert.deepEqual((await owner.acl(mailboxId))[1], { identifier: actor, rights: 'lra' });
  await assert.rejects(
    port.append({ operation: newOperation(), target: { id: mailboxId }, messages: [newMessage()] }),
    refusedWith('permissionDenied'),
  );
  const inbox = (await owner.findMailbox({ role: 'inbox' }))!;
  await assert.rejects(port.columns(inbox.id, undefined), refusedWith('noSuchMailbox'));
  await assert.rejects(
    port.readMessages((mailboxId + 1) as MailboxId, Uint32Array.of(1), 100),
    refusedWith('noSuchMailbox'),
  );
  await assert.rejects(port.lockMaildrop(), refusedWith('permissionDenied'));
  await nodes.give(shardOf(actorId), 'b');
  await nodes.node('b').hosts.create(actorId);
  const own = await nodes.node('f').accounts.open(actorId);
  assert.deepEqual(await own.accountsSharedWithMe(), [
    { accountId: testAccountId, address: 'owner@example.test', shared: false },
  ]);
});

test('the rights follow the account from host to host', async () => {
  const { nodes, port, mailboxId, give } = await openShared();
  await using _ = nodes;
  await give('lr');
  for (const to of ['b', 'f', 'a']) {
    await nodes.move(testShard, to);
    assert.equal((await port.columns(mailboxId, undefined)).uids.length, 1);
    await assert.rejects(
      port.storeFlags({
        operation: newOperation(),
        mailboxId,
        uids: Uint32Array.of(1),
        mode: 'add',
        flags: ['\\Seen'],
        unchangedSince: undefined,
      }),
      refusedWith('permissionDenied'),
    );
    const watched = listen(port);
    await watched.until(({ type }) => type === 'mailboxes');
    watched.stop();
  }
});

test('a watch hears that the right is gone, and nothing of other mailboxes', async () => {
  const { nodes, owner, port, mailboxId, give } = await openShared();
  await using _ = nodes;
  await give('lr');
  const watched = listen(port);
  await watched.until(({ type }) => type === 'mailboxes');
  await owner.append({ operation: newOperation(), target: { role: 'inbox' }, messages: [newMessage()] });
  await owner.append({
    operation: newOperation(),
    target: { id: mailboxId },
    messages: [newMessage(messageText())],
  });
  await watched.until((event) => event.type === 'mailbox' && event.mailboxId === mailboxId);
  assert(watched.events.every((event) => event.type !== 'mailbox' || event.mailboxId === mailboxId));
  const before = watched.events.length;
  await give('');
  await watched.until((event) => event.type === 'mailboxes' && watched.events.indexOf(event) >= before);
  assert.equal((await port.changesSince(mailboxId, 1 as ModSeq)).exists, false);
  await assert.rejects(
    port.readRange(mailboxId, 1 as Uid, { offset: 0, length: 1 }),
    refusedWith('noSuchMailbox'),
  );
  watched.stop();
});

test('what is the owner’s, or nobody’s, is no call of somebody else’s session', async () => {
  const { nodes, give } = await openShared();
  await using _ = nodes;
  await give('lrswipkxtea');
  const { pool } = nodes.node('f');
  const node = nodes.node('a');
  const place = { node: node.name, address: { host: '127.0.0.1', port: node.relay.port } };
  for (const method of ['endSessions', 'remove', 'countSessions', 'tellSessions']) {
    const request = { service: accountServiceName, method, grant: undefined };
    const given = { ...request, arguments: [testAccountId, undefined, actorId] };
    await assert.rejects(
      pool.call(place as never, given, { timeoutMs: 30_000 }),
      refusedWith('permissionDenied'),
      method,
    );
  }
});
