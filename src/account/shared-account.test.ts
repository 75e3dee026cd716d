import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flagSeen } from '../mail/flags.ts';
import type { MailboxId, ModSeq, OperationId, Uid } from '../mail/ids.ts';
import type { MailErrorKind } from '../mail/mail-error.ts';
import { allRights } from '../mail/rights.ts';
import type { AccountEvent, AccountPort } from './port.ts';
import { messageText, newMessage, newOperation, testAccountId } from './testing.ts';
import { actor, actorId, type Fixture, openFixture, person, refusalOf } from './testing-sharing.ts';

type Call = (port: AccountPort, fixture: Fixture) => Promise<unknown>;

/**
 * `needs`: all of these rights. `denied`: the refusal says no more to whom may not look the mailbox up, for it names none.
 * `askedFirst`: whoever has it knows of the mailbox. `never`: not for anybody but the owner. `itself`: no refusal; it has a
 * test of its own.
 */
type Rule =
  | { readonly needs: string; readonly call: Call; readonly denied?: true; readonly askedFirst?: string }
  | { readonly never: Call }
  | { readonly itself: true };

type Method = Exclude<keyof AccountPort, 'accountId' | 'watch'>;

const one = Uint32Array.of(1);
const all = { type: 'all' } as const;

/** What each method of the port needs (RFC 4314 section 4). A new method does not compile without a rule. */
const rules: Readonly<Record<Method, Rule>> = {
  listMailboxes: { itself: true },
  findMailbox: { itself: true },
  changesSince: { itself: true },
  createMailbox: {
    needs: 'k',
    denied: true,
    call: (port) => port.createMailbox({ operation: newOperation(), name: 'Team/New' }),
  },
  renameMailbox: {
    needs: 'kx',
    askedFirst: 'x',
    call: (port) => port.renameMailbox({ operation: newOperation(), from: 'Team/Old', to: 'Team/Older' }),
  },
  deleteMailbox: {
    needs: 'x',
    call: (port) => port.deleteMailbox({ operation: newOperation(), name: 'Team/Old' }),
  },
  setSubscribed: {
    never: (port) => port.setSubscribed({ operation: newOperation(), name: 'Team', subscribed: true }),
  },
  openMailbox: { needs: 'r', call: (port) => port.openMailbox({ name: 'Team' }, { claimRecent: false }) },
  columns: { needs: 'r', call: (port, { mailbox }) => port.columns(mailbox.id, undefined) },
  append: {
    needs: 'i',
    call: (port) =>
      port.append({ operation: newOperation(), target: { name: 'Team' }, messages: [newMessage()] }),
  },
  stage: { needs: 'i', call: (port) => stageOne(port, newOperation()) },
  appendStaged: {
    needs: 'i',
    call: async (port, { owner }) => {
      const staging = newOperation();
      const target = { name: 'Team' };
      // What he could stage before.
      await stageOne(owner, `${actorId} ${staging}` as OperationId);
      await port.appendStaged({ operation: newOperation(), staging, target, messages: 1 });
    },
  },
  discardStaged: { itself: true },
  replace: {
    needs: 'irte',
    call: (port, { mailbox: { id } }) =>
      port.replace({
        operation: newOperation(),
        target: { id },
        messages: [newMessage()],
        replaces: { mailboxId: id, uid: 1 as Uid },
      }),
  },
  storeFlags: {
    needs: 'rs',
    call: (port, fixture) => storeFlag(port, fixture, '\\Seen'),
  },
  copy: {
    needs: 'ri',
    call: (port, { mailbox, inferior }) =>
      port.copy({
        operation: newOperation(),
        from: mailbox.id,
        uids: one,
        to: { id: inferior.id },
        move: false,
      }),
  },
  expunge: {
    needs: 're',
    call: (port, { mailbox }) =>
      port.expunge({ operation: newOperation(), mailboxId: mailbox.id, uids: undefined, anyFlags: false }),
  },
  readSummaries: { needs: 'r', call: (port, { mailbox }) => port.readSummaries(mailbox.id, one, 1e6) },
  readHeaderFields: {
    needs: 'r',
    call: (port, { mailbox }) => {
      const choice = { names: ['subject'], matching: true };
      return port.readHeaderFields(mailbox.id, one, { choice, bytesMax: 1e6 });
    },
  },
  readMessages: { needs: 'r', call: (port, { mailbox }) => port.readMessages(mailbox.id, one, 1e6) },
  readRange: {
    needs: 'r',
    call: (port, { mailbox }) => port.readRange(mailbox.id, 1 as Uid, { offset: 0, length: 10 }),
  },
  search: { needs: 'r', call: (port, { mailbox }) => port.search(mailbox.id, all) },
  sort: {
    needs: 'r',
    call: (port, { mailbox }) =>
      port.sort(mailbox.id, {
        key: all,
        criteria: [{ field: 'arrival', reverse: false }],
        favoured: undefined,
      }),
  },
  thread: {
    needs: 'r',
    call: (port, { mailbox }) => port.thread(mailbox.id, { key: all, algorithm: 'references' }),
  },
  annotations: { needs: 'r', call: (port, { mailbox }) => port.annotations(mailbox.id) },
  setAnnotations: {
    needs: 'rw',
    call: (port, { mailbox }) =>
      port.setAnnotations({
        operation: newOperation(),
        mailboxId: mailbox.id,
        changes: [{ name: '/shared/comment', value: Buffer.from('x') }],
      }),
  },
  acl: { needs: 'a', call: (port, { mailbox }) => port.acl(mailbox.id) },
  setAcl: {
    needs: 'a',
    call: (port, { mailbox }) =>
      port.setAcl({
        operation: newOperation(),
        mailboxId: mailbox.id,
        identifier: 'anyone',
        mode: 'add',
        rights: 'l',
      }),
  },
  quota: { needs: 'r', denied: true, call: (port) => port.quota() },
  accountsSharedWithMe: { never: (port) => port.accountsSharedWithMe() },
  setQuota: { never: (port) => port.setQuota({ operation: newOperation(), bytesMax: 1, messagesMax: 1 }) },
  sentSizes: { never: (port, { mailbox }) => port.sentSizes(mailbox.id) },
  lockMaildrop: { never: (port) => port.lockMaildrop() },
};

function stageOne(port: AccountPort, staging: OperationId): Promise<void> {
  const messages = [newMessage()];
  return port.stage({ operation: newOperation(), staging, target: { name: 'Team' }, from: 0, messages });
}

function storeFlag(port: AccountPort, { mailbox }: Fixture, flag: string, uids = one) {
  return port.storeFlags({
    operation: newOperation(),
    mailboxId: mailbox.id,
    uids,
    mode: 'add',
    flags: [flag],
    unchangedSince: undefined,
  });
}

function outcomeOf(rule: Extract<Rule, { needs: string }>, rights: string): MailErrorKind | 'done' {
  if ([...rule.needs].every((right) => rights.includes(right))) return 'done';
  const isKnown = rights.includes('l') || (rule.askedFirst !== undefined && rights.includes(rule.askedFirst));
  return rule.denied || isKnown ? 'permissionDenied' : 'noSuchMailbox';
}

for (const [method, rule] of Object.entries(rules) as [Method, Rule][]) {
  if ('needs' in rule) {
    test(`${method} needs ${rule.needs}: each right alone, with l, all but one`, async () => {
      const cases = new Set(['', allRights, rule.needs, `l${rule.needs}`]);
      for (const right of allRights) {
        cases.add(right);
        cases.add(right === 'l' ? 'l' : `l${right}`);
        cases.add(allRights.replace(right, ''));
        cases.add(allRights.replace(right, '').replace('l', ''));
      }
      let fixture = await openFixture();
      for (const rights of cases) {
        await fixture.give(rights);
        const outcome = await refusalOf(rule.call(fixture.port, fixture));
        assert.equal(outcome, outcomeOf(rule, rights), `${method} with ${rights}`);
        if (outcome !== 'done') continue;
        await fixture[Symbol.asyncDispose]();
        fixture = await openFixture();
      }
      await fixture[Symbol.asyncDispose]();
    });
  } else if ('never' in rule) {
    test(`${method} is for the owner alone`, async () => {
      await using fixture = await openFixture();
      for (const rights of ['', 'lr', allRights]) {
        await fixture.give(rights);
        assert.equal(await refusalOf(rule.never(fixture.port, fixture)), 'permissionDenied');
      }
    });
  }
}

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
    uids: one,
    unchangedSince: undefined,
  };
  const stored = await port
    .storeFlags({ ...rest, operation, mode: 'replace', flags: ['$New'] })
    .catch((error) => error.kind);
  assert.equal(stored, 'permissionDenied');
  await port.storeFlags({ ...rest, operation: newOperation(), mode: 'replace', flags: [] });
  const { flagsLow } = await owner.columns(mailbox.id, one);
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
      uids: one,
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
  assert.deepEqual((await move()).sourceUids, one);
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
  await owner.storeFlags({ ...flags, operation: 'op' as OperationId, uids: one, flags: ['\\Seen'] });
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
