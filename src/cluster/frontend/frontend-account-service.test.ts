// Accounts for the outer zone over real links: what a grant opens, what is refused without one, what is believed.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { shardOf } from '../../account/shard.ts';
import type { People } from '../../account/sharing/people.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../../account/testing.ts';
import { refusedWith } from '../../account/testing-engines.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import type { Service } from '../../directory/directory.ts';
import type { AccountId, NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { accountServiceName } from '../account-service.ts';
import type { HostedAccounts } from '../hosted-accounts.ts';
import { inbox, listen, openNodes, portAt, testShard } from '../testing-account-nodes.ts';
import { HandClock } from '../testing-cluster-members.ts';
import { openFrontendAccountService } from './frontend-account-service.ts';
import { GrantGate } from './grant-gate.ts';
import { GrantKeys } from './grant-keys.ts';
import { type GrantClaims, openGrant, sealGrant } from './session-grant.ts';

const clock = systemClock;
const messageBytesMax = (): number => 100_000;

/** Whoever has a grant in these tests, beside the owner of the account. */
const guestId = 'guestguestguestg' as AccountId;
const guest = 'guest@example.test';
const people: People = {
  person: async (id) => {
    const address = id === guestId ? guest : 'owner@example.test';
    return { address, addresses: [], groups: [], shared: false };
  },
  addressesOf: async (address) => [address],
};

/** Node f is a frontend of the outer zone, whose grant the test sets. */
async function openOuterNodes() {
  const engine = openMemoryEngine();
  const shown: { grant: Uint8Array | undefined; epoch: string } = { grant: undefined, epoch: '' };
  const keys = new GrantKeys({ engine, clock, random: systemRandom });
  const sessionEpochs = async () => shown.epoch;
  const gate = new GrantGate({ keys, sessionEpochs, clock, random: systemRandom });
  const nodes = await openNodes({
    people,
    sessionEpochs,
    grantOf: () => shown.grant,
    service: ({ hosted }) => openFrontendAccountService({ hosted, gate, messageBytesMax, clock }),
  });
  const login = async (service: Service, lifeMs?: number, account = testAccountId): Promise<void> => {
    const peer = 'f' as NodeId;
    const { grant } = await gate.issue({ account, peer, service, epoch: shown.epoch });
    const claims = openGrant(grant, keys.accepted)!;
    shown.grant =
      lifeMs === undefined
        ? grant
        : sealGrant({ ...claims, expiresAt: clock.now() + lifeMs }, await keys.newest());
  };
  return { nodes, shown, login };
}

const append = (bytes = messageText()) => ({
  operation: newOperation(),
  target: inbox,
  messages: [newMessage(bytes)],
});

test('a session works under its grant, and not a call longer', async () => {
  const { nodes, shown, login } = await openOuterNodes();
  await using _ = nodes;
  await assert.rejects(portAt(nodes, 'f'), refusedWith('authenticationFailed'));
  await login('imap');
  const port = await portAt(nodes, 'f');
  const { mailboxId } = await port.append(append());
  assert.equal((await port.columns(mailboxId, undefined)).uids.length, 1);
  await assert.rejects(port.lockMaildrop(), refusedWith('permissionDenied'));
  const quota = { operation: newOperation(), bytesMax: undefined, messagesMax: undefined };
  await assert.rejects(port.setQuota(quota), refusedWith('permissionDenied'));
  await assert.rejects(nodes.node('f').accounts.endSessions(testAccountId), refusedWith('permissionDenied'));
  await assert.rejects(nodes.node('f').accounts.remove(testAccountId), refusedWith('permissionDenied'));
  const other = 'bbbbbbbbbbbbbbbb' as AccountId;
  await nodes.give(shardOf(other), 'a');
  await assert.rejects(nodes.node('f').accounts.open(other), refusedWith('authenticationFailed'));
  shown.epoch = 'the password was changed';
  await assert.rejects(port.columns(mailboxId, undefined), refusedWith('authenticationFailed'));
});

test('a message is what its bytes are, whatever the frontend says of them', async () => {
  const { nodes, login } = await openOuterNodes();
  await using _ = nodes;
  await login('imap');
  const port = await portAt(nodes, 'f');
  const secret = newMessage(messageText({ subject: 'Secret' }));
  const local = await nodes.node('a').hosts.open(testAccountId);
  await local.append({ operation: newOperation(), target: inbox, messages: [secret] });
  const bytes = messageText({ subject: 'Mine' });
  const mine = newMessage(bytes);
  const { digest, summary } = secret.prepared;
  const lie = { ...mine, prepared: { ...mine.prepared, digest, summary, baseSubject: 'secret' } };
  const { mailboxId } = await port.append({ operation: newOperation(), target: inbox, messages: [lie] });
  const staging = newOperation();
  await port.stage({ operation: newOperation(), staging, target: inbox, from: 0, messages: [lie] });
  await port.appendStaged({ operation: newOperation(), staging, target: inbox, messages: 1 });
  const uids = Uint32Array.of(2, 3);
  const read = await local.readMessages(mailboxId, uids, 1e6);
  const told = await local.readSummaries(mailboxId, uids, 1e6);
  for (const index of [0, 1]) {
    assert.deepEqual(hash('sha256', read[index]!.bytes!, 'hex'), hash('sha256', bytes, 'hex'));
    assert.deepEqual(Buffer.from(told[index]!.summary!), Buffer.from(mine.prepared.summary));
  }
});

test('whoever delivers needs no grant, and can do nothing else', async () => {
  const { nodes } = await openOuterNodes();
  await using _ = nodes;
  const { accounts } = nodes.node('f');
  const local = await nodes.node('a').hosts.open(testAccountId);
  await local.createMailbox({ operation: newOperation(), name: 'Lists' });
  const deliver = (detail?: string) =>
    accounts.deliver(testAccountId, { operation: newOperation(), message: newMessage(), detail });
  await deliver();
  await deliver('lists');
  await deliver('nowhere');
  // A held stream is no way around the number of calls that may be under way.
  const refused = Promise.withResolvers<unknown>();
  const { name, relay } = nodes.node('a');
  const held = { service: accountServiceName, method: 'deliver', grant: undefined };
  const delivery = { operation: newOperation(), bytes: messageText(), detail: undefined };
  await nodes
    .node('f')
    .pool.hold(
      { node: name, address: { host: '127.0.0.1', port: relay.port } },
      { ...held, arguments: [testAccountId, delivery] },
      { said: () => {}, ended: refused.resolve },
    );
  assert.ok(isMailError(await refused.promise, 'invalidArgument'));
  const found = (await local.listMailboxes()).mailboxes.map(({ name, messages }) => [name, messages]);
  assert.deepEqual(Object.fromEntries(found).INBOX, 2);
  assert.deepEqual(Object.fromEntries(found).Lists, 1);
  assert.equal(Object.fromEntries(found).nowhere, undefined);
  await assert.rejects(portAt(nodes, 'f'), refusedWith('authenticationFailed'));
});

test('what is larger than the site takes is refused, delivered or appended', async () => {
  const { nodes, login } = await openOuterNodes();
  await using _ = nodes;
  await login('imap');
  const large = Buffer.concat([messageText(), Buffer.alloc(150_000, 'x')]);
  const port = await portAt(nodes, 'f');
  await assert.rejects(port.append(append(large)), refusedWith('messageTooLarge'));
  const delivery = { operation: newOperation(), message: newMessage(large), detail: undefined };
  await assert.rejects(
    nodes.node('f').accounts.deliver(testAccountId, delivery),
    refusedWith('messageTooLarge'),
  );
});

test('the sessions of a frontend are counted under its grant; it is told of nobody’s', async () => {
  const { nodes, login } = await openOuterNodes();
  await using _ = nodes;
  await login('imap');
  const port = await portAt(nodes, 'f');
  const begun = Promise.withResolvers<void>();
  const stop = port.watch(() => begun.resolve(), { service: 'imap', count: () => 3 });
  await begun.promise;
  assert.deepEqual(await nodes.node('a').accounts.sessionsOf(testAccountId), [
    { node: 'f', service: 'imap', sessions: 3 },
  ]);
  await assert.rejects(nodes.node('f').accounts.sessionsOf(testAccountId), refusedWith('permissionDenied'));
  stop();
});

test('a watch ends with its grant and goes on under the next; without one the session ends', async () => {
  const { nodes, shown, login } = await openOuterNodes();
  await using _ = nodes;
  await login('imap', 300);
  const port = await portAt(nodes, 'f');
  const watched = listen(port);
  await watched.until(({ type }) => type === 'mailboxes');
  await login('imap', 300);
  const local = await nodes.node('a').hosts.open(testAccountId);
  const { mailboxId } = await local.append(append());
  await watched.until((event) => event.type === 'mailbox' && event.mailboxId === mailboxId);
  shown.grant = undefined;
  await watched.until(({ type }) => type === 'closed');
  watched.stop();
});

test('a session that was ended while its account moved does not go on under the grant of the next login', async () => {
  const { nodes, shown, login } = await openOuterNodes();
  await using _ = nodes;
  await login('imap');
  const old = listen(await portAt(nodes, 'f'), { service: 'imap', count: () => 1, epoch: shown.epoch });
  await old.until(({ type }) => type === 'mailboxes');
  nodes.node('b').relay.freeze();
  await nodes.move(testShard, 'b');
  shown.epoch = 'after a change of the password';
  await login('imap');
  const port = await nodes.node('b').accounts.open(testAccountId);
  nodes.node('b').relay.thaw();
  await old.until(({ type }) => type === 'closed');
  const next = listen(await portAt(nodes, 'f'), { service: 'imap', count: () => 1, epoch: shown.epoch });
  await next.until(({ type }) => type === 'mailboxes');
  const { modSeq } = await port.append(append());
  await next.until((event) => event.type === 'mailbox' && event.modSeq >= modSeq);
  next.stop();
});

test('a maildrop lock ends with its grant', { timeout: 60_000 }, async () => {
  const { nodes, shown, login } = await openOuterNodes();
  await using _ = nodes;
  await login('pop3', 300);
  const port = await portAt(nodes, 'f');
  const local = await nodes.node('a').hosts.open(testAccountId);
  const lock = await port.lockMaildrop();
  await assert.rejects(local.lockMaildrop(), refusedWith('inUse'));
  shown.grant = undefined;
  // Polled: nobody hears of the end of another's lock.
  let free: AsyncDisposable | undefined;
  while (free === undefined) {
    free = await local.lockMaildrop().catch(() => undefined);
    await systemClock.sleep(10);
  }
  await free[Symbol.asyncDispose]();
  await lock[Symbol.asyncDispose]();
});

/** The owner lets the guest look into INBOX and nothing more; the guest has a session of the service on node f. */
async function openGuest(service: Service = 'imap') {
  const { nodes, shown, login } = await openOuterNodes();
  const local = await nodes.node('a').hosts.open(testAccountId);
  const { mailboxId } = await local.append(append());
  const give = (rights: string) =>
    local.setAcl({ operation: newOperation(), mailboxId, identifier: guest, mode: 'replace', rights });
  await give('lr');
  await login(service, undefined, guestId);
  /** Past RemoteAccounts, as a frontend that was broken into would. */
  const call = (method: string, given: unknown, actor: unknown, answerBytes = 0): Promise<unknown> => {
    const node = nodes.node('a');
    const place = { node: node.name, address: { host: '127.0.0.1', port: node.relay.port } };
    const wire = actor === undefined ? [testAccountId, given] : [testAccountId, given, actor];
    const asked = { service: accountServiceName, method, grant: shown.grant, arguments: wire };
    const request = { ...asked, answerBytes };
    return nodes.node('f').pool.call(place as never, request, { timeoutMs: 30_000 });
  };
  return { nodes, shown, login, local, mailboxId, give, call };
}

test('a grant opens another’s account only as whom it was given to', async () => {
  const { nodes, mailboxId, give } = await openGuest();
  await using _ = nodes;
  const { accounts } = nodes.node('f');
  const port = await accounts.open(testAccountId, guestId);
  assert.equal((await port.columns(mailboxId, undefined)).uids.length, 1);
  // The message is made ready here, and the actor is not lost on the way.
  const target = { id: mailboxId };
  const coming = () => port.append({ operation: newOperation(), target, messages: [newMessage()] });
  await assert.rejects(coming(), refusedWith('permissionDenied'));
  await give('lri');
  await coming();
  await assert.rejects(
    port.openMailbox({ name: 'Drafts' }, { claimRecent: false }),
    refusedWith('noSuchMailbox'),
  );
  await assert.rejects(accounts.open(testAccountId), refusedWith('authenticationFailed'));
  const stranger = 'strangerstranger' as AccountId;
  await assert.rejects(accounts.open(testAccountId, stranger), refusedWith('authenticationFailed'));
});

test('no form of a request lets a grant do more than its account may', async () => {
  const { nodes, login, local, mailboxId, call } = await openGuest();
  await using _ = nodes;
  const inbox = [mailboxId, undefined];
  await call('columns', inbox, guestId);
  await assert.rejects(call('columns', inbox, undefined), refusedWith('authenticationFailed'));
  await assert.rejects(call('columns', inbox, testAccountId), refusedWith('authenticationFailed'));
  await assert.rejects(call('columns', inbox, 'strangerstranger'), refusedWith('authenticationFailed'));
  for (const actor of ['', null, 0, [guestId], `${guestId} `, { id: guestId }])
    await assert.rejects(call('columns', inbox, actor), refusedWith('invalidArgument'), String(actor));
  const flags = {
    operation: newOperation(),
    mailboxId,
    uids: Uint32Array.of(1),
    mode: 'add',
    flags: ['\\Seen'],
  };
  await assert.rejects(call('storeFlags', [flags], guestId), refusedWith('permissionDenied'));
  const grantAll = { operation: newOperation(), mailboxId, identifier: guest, mode: 'add', rights: 'a' };
  await assert.rejects(call('setAcl', [grantAll], guestId), refusedWith('permissionDenied'));
  for (const method of ['endSessions', 'remove', 'countSessions', 'tellSessions', 'setQuota'])
    await assert.rejects(call(method, undefined, guestId), refusedWith('permissionDenied'), method);
  // The owner's session does not become the guest's by naming him, nor the guest a POP3 session's.
  await login('imap');
  await assert.rejects(call('columns', inbox, guestId), refusedWith('authenticationFailed'));
  await login('pop3', undefined, guestId);
  await assert.rejects(call('columns', inbox, guestId), refusedWith('permissionDenied'));
  assert.equal((await local.columns(mailboxId, undefined)).flagsLow[0], 0);
  assert.equal((await local.acl(mailboxId)).at(-1)!.rights, 'lr');
});

test('nobody reads more at a time than the link made room for', async () => {
  const { nodes, mailboxId, call } = await openGuest();
  await using _ = nodes;
  const read = (bytesMax: number, answerBytes: number): Promise<unknown> =>
    call('readMessages', [mailboxId, Uint32Array.of(1), bytesMax], guestId, answerBytes);
  assert.equal(((await read(1_000_000, 1_000_000)) as unknown[]).length, 1);
  await assert.rejects(read(1_000_000, 0), refusedWith('invalidArgument'));
  await assert.rejects(read(2 ** 40, 1_000_000), refusedWith('invalidArgument'));
  await assert.rejects(read(2 ** 40, 2 ** 40), refusedWith('limitReached'));
});

test('a lock that is had only after its grant has ended is given back', async () => {
  const hand = new HandClock();
  const had = Promise.withResolvers<void>();
  let isHeld: boolean | undefined;
  const hosted = {
    lock: async () => {
      await had.promise;
      isHeld = true;
      const release = async (): Promise<void> => {
        isHeld = false;
      };
      return { [Symbol.asyncDispose]: release };
    },
  } as unknown as HostedAccounts;
  const claims = { service: 'pop3', expiresAt: hand.now() + 1_000 } as GrantClaims;
  const gate = { check: async () => claims } as unknown as GrantGate;
  const service = openFrontendAccountService({ hosted, gate, messageBytesMax, clock: hand });
  const ended = service({
    service: accountServiceName,
    method: 'lockMaildrop',
    arguments: [testAccountId, undefined],
    grant: undefined,
    peer: 'f' as NodeId,
    held: true,
    isCancelled: false,
    push: async () => {},
    whenCancelled: () => {},
  });
  await hand.advance(2_000);
  had.resolve();
  await hand.settle();
  assert.equal(isHeld, false);
  await ended;
});

test('a guest’s watch ends with his grant, and hears of what he may know', async () => {
  const { nodes, shown, local, mailboxId } = await openGuest();
  await using _ = nodes;
  const watched = listen(await nodes.node('f').accounts.open(testAccountId, guestId));
  await watched.until(({ type }) => type === 'mailboxes');
  const { id } = await local.createMailbox({ operation: newOperation(), name: 'Secret' });
  await local.append({ ...append(), target: { id } });
  await local.append(append());
  await watched.until((event) => event.type === 'mailbox' && event.mailboxId === mailboxId);
  assert(watched.events.every((event) => event.type !== 'mailbox' || event.mailboxId === mailboxId));
  watched.stop();
  shown.grant = undefined;
  await assert.rejects(
    nodes.node('f').accounts.open(testAccountId, guestId),
    refusedWith('authenticationFailed'),
  );
});
