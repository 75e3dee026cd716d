// What somebody who is not the owner sees of mailboxes, changes and is told; shared-account-rights.test.ts has the right that
// each method needs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagSeen } from '../../mail/flags.ts';
import type { MailboxId, ModSeq, OperationId } from '../../mail/ids.ts';
import { allRights } from '../../mail/rights.ts';
import type { AccountEvent } from '../port.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../testing.ts';
import { actor, actorId, firstUid, openFixture, person, refusalOf, storeFlag } from './testing-sharing.ts';

test('only what may be looked up is listed, without counters where it may not be read', async () => {
  await using fixture = await openFixture();
  const { port, give, mailbox } = fixture;
  for (const right of allRights) {
    await give(right);
    const { mailboxes, subscriptions } = await port.listMailboxes();
    assert.deepEqual(
      mailboxes.map(({ name }) => name),
      right === 'l' ? ['Team', 'Team/Old'] : [],
      right,
    );
    assert.deepEqual(subscriptions, []);
    const found = await port.findMailbox({ id: mailbox.id });
    assert.equal(found?.rights, 'lrikxa'.includes(right) ? right : undefined, right);
    assert.equal(found?.messages, right === 'r' ? 2 : found && 0, right);
    const { exists } = await port.changesSince(mailbox.id, 0 as ModSeq);
    assert.equal(exists, right === 'r', right);
  }
  assert.equal(await port.findMailbox({ role: 'inbox' }), undefined);
  assert.equal((await port.changesSince(999 as MailboxId, 0 as ModSeq)).exists, false);
});

test('flags are changed by their rights: s, t, w each alone; what is refused stays as it was', async () => {
  await using fixture = await openFixture();
  const { port, owner, mailbox, give } = fixture;
  const flags = {
    '\\Seen': 's',
    '\\Deleted': 't',
    '\\Flagged': 'w',
    '\\Answered': 'w',
    '\\Draft': 'w',
    $Label: 'w',
  };
  for (const right of 'stw') {
    await give(`lr${right}`);
    for (const [flag, needs] of Object.entries(flags)) {
      const outcome = await refusalOf(storeFlag(port, fixture, flag));
      assert.equal(outcome, needs === right ? 'done' : 'permissionDenied', `${flag} with ${right}`);
    }
  }
  // Replaced: flags without a right stay.
  await give('lrs');
  const { operation, ...rest } = {
    operation: newOperation(),
    mailboxId: mailbox.id,
    uids: firstUid,
    unchangedSince: undefined,
  };
  const stored = await port
    .storeFlags({ ...rest, operation, mode: 'replace', flags: ['$New'] })
    .catch((error) => error.kind);
  assert.equal(stored, 'permissionDenied');
  await port.storeFlags({ ...rest, operation: newOperation(), mode: 'replace', flags: [] });
  const { flagsLow } = await owner.columns(mailbox.id, firstUid);
  assert.equal(flagsLow[0]! & 31, 31 - 8, 'all system flags but \\Seen');
  assert.deepEqual((await owner.findMailbox({ id: mailbox.id }))!.keywords, ['$Label'], 'no keyword came');
});

test('a move needs to take away there and to insert here', async () => {
  await using fixture = await openFixture();
  const { port, mailbox, inferior, owner } = fixture;
  const give = (mailboxId: MailboxId, rights: string) =>
    owner.setAcl({ operation: newOperation(), mailboxId, identifier: actor, mode: 'replace', rights });
  const move = () =>
    port.copy({
      operation: newOperation(),
      from: mailbox.id,
      uids: firstUid,
      to: { name: 'Team/Old' },
      move: true,
    });
  await give(inferior.id, 'li');
  for (const right of 'rte') {
    await give(mailbox.id, 'lrte'.replace(right, ''));
    assert.equal(await refusalOf(move()), 'permissionDenied', `without ${right}`);
  }
  await give(mailbox.id, 'lrte');
  await give(inferior.id, 'lrswkxtea');
  assert.equal(await refusalOf(move()), 'permissionDenied', 'without i');
  await give(inferior.id, 'i');
  assert.deepEqual((await move()).sourceUids, firstUid);
});

test('what somebody stages is his alone, and has the flags that he may give', async () => {
  await using fixture = await openFixture();
  const { port, owner, mailbox, give } = fixture;
  await give('lis');
  const staging = newOperation();
  const target = { name: 'Team' };
  const messages = [newMessage(messageText(), ['\\Seen', '\\Flagged', '$Label'])];
  await port.stage({ operation: newOperation(), staging, target, from: 0, messages });
  await owner.discardStaged({ staging });
  const last = { operation: newOperation(), staging, target, messages: 1 };
  assert.equal(await refusalOf(owner.appendStaged(last)), 'unavailable');
  await give('ls');
  assert.equal(await refusalOf(port.appendStaged(last)), 'permissionDenied');
  await give('lis');
  const { targetUids } = await port.appendStaged(last);
  const { flagsLow } = await owner.columns(mailbox.id, targetUids);
  assert.deepEqual([...flagsLow], [flagSeen]);
  assert.deepEqual((await owner.findMailbox(target))!.keywords, []);
});

test('an operation that was applied is answered again, and lets nothing else through', async () => {
  await using fixture = await openFixture();
  const { port, give, owner } = fixture;
  await give('lrx');
  const operation = newOperation();
  await port.deleteMailbox({ operation, name: 'Team/Old' });
  await port.deleteMailbox({ operation, name: 'Team/Old' });
  // The same id for something that is not the actor's to do.
  await port.deleteMailbox({ operation, name: 'INBOX' });
  assert((await owner.findMailbox({ name: 'INBOX' })) !== undefined);
  assert.equal(
    await refusalOf(port.renameMailbox({ operation, from: 'INBOX', to: 'Team/Mine' })),
    'permissionDenied',
  );
  assert.equal(
    await refusalOf(port.renameMailbox({ operation, from: 'Team', to: 'Mine' })),
    'invalidArgument',
  );
  const { mailbox } = fixture;
  const flags = { mailboxId: mailbox.id, mode: 'add', unchangedSince: undefined } as const;
  await owner.storeFlags({ ...flags, operation: 'op' as OperationId, uids: firstUid, flags: ['\\Seen'] });
  const again = port.storeFlags({
    ...flags,
    operation: 'op' as OperationId,
    uids: Uint32Array.of(1, 2),
    flags: ['\\Seen'],
  });
  assert.equal(await refusalOf(again), 'permissionDenied');
});

test('groups, anyone, and refusals; a disabled actor or owner ends it', async () => {
  await using fixture = await openFixture();
  const { port, owner, mailbox, persons } = fixture;
  const give = (identifier: string, rights: string) =>
    owner.setAcl({ operation: newOperation(), mailboxId: mailbox.id, identifier, mode: 'replace', rights });
  const rights = async () => (await port.findMailbox({ id: mailbox.id }))?.rights;
  await give('group=staff', 'lrs');
  await give('anyone', 'l');
  assert.equal(await rights(), 'lrs');
  await give(`-${actor}`, 's');
  assert.equal(await rights(), 'lr');
  await give('-group=staff', 'r');
  assert.equal(await rights(), 'l');
  persons.set(actorId, person(actor));
  assert.equal(await rights(), 'l');
  await give('-anyone', 'l');
  assert.equal(await rights(), undefined);
  await give('-anyone', '');
  persons.delete(actorId);
  assert.equal(await rights(), undefined);
  persons.set(actorId, person('new@example.test', { addresses: [actor] }));
  assert.equal(await rights(), 'l');
  persons.delete(testAccountId);
  assert.equal(await rights(), undefined);
});

test('events are told of what may be known, in their order', async () => {
  await using fixture = await openFixture();
  const { port, owner, mailbox, inferior, give } = fixture;
  await give('lr');
  await owner.setAcl({
    operation: newOperation(),
    mailboxId: inferior.id,
    identifier: actor,
    mode: 'replace',
    rights: '',
  });
  const told: string[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const stopBroken = port.watch(() => {
    throw new Error('a watcher that fails is nobody else’s trouble');
  });
  const stop = port.watch((event: AccountEvent) => {
    told.push(event.type === 'mailbox' ? `mailbox ${event.mailboxId}` : event.type);
    if (event.type === 'annotations') told.push(...event.names);
    if (event.type === 'closed') resolve();
  });
  const append = (id: MailboxId) =>
    owner.append({ operation: newOperation(), target: { id }, messages: [newMessage()] });
  await append(inferior.id);
  await append(mailbox.id);
  const annotate = (names: readonly string[]) =>
    owner.setAnnotations({
      operation: newOperation(),
      mailboxId: mailbox.id,
      changes: names.map((name) => ({ name, value: Buffer.from('x') })),
    });
  await annotate(['/private/comment']);
  await annotate(['/private/other', '/shared/comment']);
  fixture.hosts.endSessions(testAccountId);
  await closed;
  stop();
  stopBroken();
  const changed = `mailbox ${mailbox.id}`;
  assert.deepEqual(told, [changed, changed, changed, 'annotations', '/shared/comment', 'closed']);
});
