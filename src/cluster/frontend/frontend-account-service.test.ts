// Accounts for the outer zone over real links: what a grant opens, what is refused without one, what is believed.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { shardOf } from '../../account/shard.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../../account/testing.ts';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import type { Service } from '../../directory/directory.ts';
import type { AccountId, NodeId } from '../../mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { listen, openNodes, portAt } from '../testing-account-nodes.ts';
import { openFrontendAccountService } from './frontend-account-service.ts';
import { GrantGate } from './grant-gate.ts';
import { GrantKeys } from './grant-keys.ts';
import { openGrant, sealGrant } from './session-grant.ts';

const clock = systemClock;
const messageBytesMax = (): number => 100_000;
const inbox = { role: 'inbox' } as const;
const refusedWith = (kind: MailErrorKind) => (error: unknown) =>
  isMailError(error, kind) || assert.fail(`not ${kind}: ${error}`);

/** Node f is a frontend of the outer zone, whose grant the test sets. */
async function openOuterNodes() {
  const engine = openMemoryEngine();
  const shown: { grant: Uint8Array | undefined; epoch: string } = { grant: undefined, epoch: '' };
  const keys = new GrantKeys({ engine, clock, random: systemRandom });
  const sessionEpoch = async () => shown.epoch;
  const gate = new GrantGate({ keys, sessionEpoch, clock, random: systemRandom });
  const nodes = await openNodes({
    grantOf: () => shown.grant,
    service: ({ hosted }) => openFrontendAccountService({ hosted, gate, messageBytesMax, clock }),
  });
  const login = async (service: Service, lifeMs?: number): Promise<void> => {
    const peer = 'f' as NodeId;
    const { grant } = await gate.issue({ account: testAccountId, peer, service });
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
  const quota = { bytesMax: undefined, messagesMax: undefined };
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
  const appended = await port.append({ operation: newOperation(), target: inbox, messages: [lie] });
  const [read] = await local.readMessages(appended.mailboxId, appended.uids, 1e6);
  assert.deepEqual(hash('sha256', read!.bytes!, 'hex'), hash('sha256', bytes, 'hex'));
  const [told] = await local.readSummaries(appended.mailboxId, appended.uids, 1e6);
  assert.deepEqual(Buffer.from(told!.summary!), Buffer.from(mine.prepared.summary));
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
