import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { OperationId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { stagedAppendIdleMs, stagedAppendsMax } from '../account-limits.ts';
import type { AccountPort, NewMessage, QuotaStatus } from '../port.ts';
import {
  type CommitFault,
  failingEngine,
  messageText,
  newMessage,
  newOperation,
  openMemoryBlobStore,
  openTestHosts,
  storeCheckFindings,
  testAccountId,
} from '../testing.ts';
import { append, type Fixture, flagsOf, onEngines, refusedWith } from '../testing-engines.ts';

const inbox = { role: 'inbox' } as const;

/** Messages with `first` and the numbers after it as their subjects; the last one is large enough for the blob store. */
function piece(first: number, count: number): NewMessage[] {
  return Array.from({ length: count }, (_, at) => {
    const body = at === count - 1 ? 'x'.repeat(300_000) : undefined;
    const text = messageText({ subject: `${first + at}`, ...(body !== undefined && { body }) });
    return { ...newMessage(text, at === 0 ? ['\\Flagged', '$First'] : []), internalDate: 1_000 + first + at };
  });
}

function stage(account: AccountPort, staging: OperationId, from: number, count = 5): Promise<void> {
  const messages = piece(from + 1, count);
  return account.stage({ operation: newOperation(), staging, target: inbox, from, messages });
}

function appendStaged(account: AccountPort, staging: OperationId, messages: number) {
  return account.appendStaged({ operation: newOperation(), staging, target: inbox, messages });
}

async function settled({ hosts }: Pick<Fixture, 'hosts'>): Promise<void> {
  await (await hosts.host(testAccountId)).settled();
}

async function subjects({ account, inbox: id }: Pick<Fixture, 'account' | 'inbox'>): Promise<string[]> {
  const { uids } = await account.columns(id, undefined);
  const messages = await account.readMessages(id, uids, 100_000_000);
  return messages.map(({ bytes }) => /Subject: (.*)\r/.exec(Buffer.from(bytes!).toString('latin1'))![1]!);
}

const used = ({ messagesUsed, bytesUsed }: QuotaStatus) => ({ messagesUsed, bytesUsed });

// In one commit, and in several that count for nothing before the last one (staged-copy.ts).
for (const messagesPerCommit of [1000, 4]) {
  onEngines(
    `pieces come into the mailbox all at once, between them others' messages, ${messagesPerCommit} a commit`,
    async (fixture) => {
      const { account, inbox: id } = fixture;
      const staging = newOperation();
      const listed = (await account.listMailboxes()).mailboxes.length;
      await stage(account, staging, 0);
      await append(account, inbox, [], messageText({ subject: 'other' }));
      await stage(account, staging, 5);
      assert.deepEqual(await subjects(fixture), ['other']);
      assert.equal((await account.listMailboxes()).mailboxes.length, listed, 'nobody sees where they are');
      assert.equal((await account.quota()).messagesUsed, 11, 'they count from the beginning');
      assert.deepEqual(await storeCheckFindings(fixture, false), []);
      const operation = newOperation();
      const last = { operation, staging, target: inbox, messages: 10 };
      const copied = await account.appendStaged(last);
      assert.deepEqual([...copied.targetUids], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      assert.deepEqual([...copied.sourceUids], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.equal(copied.to, id);
      assert.deepEqual(await account.appendStaged(last), copied, 'a retry is answered and does nothing');
      const expected = ['other', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10'];
      assert.deepEqual(await subjects(fixture), expected);
      assert.equal((await flagsOf(account, id))[2], '\\Flagged $First');
      assert.equal((await flagsOf(account, id))[3], '');
      const { internalDates } = await account.columns(id, Uint32Array.of(2, 11));
      assert.deepEqual([...internalDates], [1_001, 1_010]);
      await settled(fixture);
      await account.discardStaged({ staging });
      assert.deepEqual(await subjects(fixture), expected, 'what is appended is not discarded any more');
      assert.equal((await account.quota()).messagesUsed, 11);
      assert.deepEqual(await storeCheckFindings(fixture, false), []);
      const { mailboxes } = (await fixture.hosts.host(testAccountId)).writer.state!;
      assert.equal(mailboxes.size, listed, 'nothing is left of where they were');
    },
    { messagesPerCommit },
  );
}

onEngines('what is discarded, and what is refused, leaves nothing', async (fixture) => {
  const { account } = fixture;
  const staging = newOperation();
  const first = { operation: newOperation(), staging, target: inbox, from: 0, messages: piece(1, 5) };
  await account.stage(first);
  await account.stage(first);
  assert.equal((await account.quota()).messagesUsed, 5, 'a retry stages nothing again');
  await assert.rejects(stage(account, staging, 4), refusedWith('unavailable'));
  await assert.rejects(appendStaged(account, staging, 4), refusedWith('unavailable'));
  await account.setQuota({ operation: newOperation(), bytesMax: undefined, messagesMax: 8 });
  await assert.rejects(stage(account, staging, 5), refusedWith('overQuota'));
  const nowhere = { operation: newOperation(), staging, target: { name: 'Nowhere' }, messages: 5 };
  await assert.rejects(account.appendStaged(nowhere), refusedWith('noSuchMailbox'));
  await account.discardStaged({ staging });
  await account.discardStaged({ staging });
  assert.deepEqual(used(await account.quota()), { messagesUsed: 0, bytesUsed: 0 });
  await assert.rejects(stage(account, staging, 5), refusedWith('unavailable'));
  await assert.rejects(appendStaged(account, staging, 5), refusedWith('unavailable'));
  assert.deepEqual(await subjects(fixture), []);
  for (let index = 0; index < stagedAppendsMax; index++) await stage(account, newOperation(), 0, 0);
  await assert.rejects(stage(account, newOperation(), 0), refusedWith('limitReached'));
});

/** A clock whose long timers fire when told. */
function clockByHand(): { readonly clock: Clock; readonly fire: () => void; readonly armed: () => number } {
  const armed = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      if (delayMs !== stagedAppendIdleMs) return systemClock.after(delayMs, callback);
      armed.add(callback);
      return { cancel: () => armed.delete(callback) };
    },
  };
  const fire = (): void => {
    for (const callback of armed) {
      armed.delete(callback);
      callback();
    }
  };
  return { clock, fire, armed: () => armed.size };
}

test('what nobody goes on with is discarded after a while, also by the next host', async () => {
  const engine = openMemoryEngine();
  const blobs = openMemoryBlobStore(engine);
  const { clock, fire, armed } = clockByHand();
  const opened = await openTestHosts({ engine, blobs, clock });
  const account = await opened.hosts.open(testAccountId);
  await stage(account, newOperation(), 0);
  const done = newOperation();
  await stage(account, done, 0);
  await stage(account, done, 5);
  await appendStaged(account, done, 10);
  await settled(opened);
  assert.equal(armed(), 1, 'what is done is not waited for');
  fire();
  await settled(opened);
  assert.equal((await account.quota()).messagesUsed, 10);
  const left = newOperation();
  await stage(account, left, 0);
  assert.equal((await account.quota()).messagesUsed, 15);
  await opened.hosts.close();
  const next = await openTestHosts({ engine, blobs, clock, create: false });
  const reopened = await next.hosts.open(testAccountId);
  fire();
  await settled(next);
  assert.equal((await reopened.quota()).messagesUsed, 10);
  await assert.rejects(stage(reopened, left, 5), refusedWith('unavailable'));
  assert.deepEqual(await storeCheckFindings(next, false), []);
  await next.hosts.close();
});

test('the next host goes on with what was staged at the last one', async () => {
  const engine = openMemoryEngine();
  const blobs = openMemoryBlobStore(engine);
  const before = await openTestHosts({ engine, blobs });
  const staging = newOperation();
  await stage(await before.hosts.open(testAccountId), staging, 0);
  await before.hosts.close();
  const after = await openTestHosts({ engine, blobs, create: false });
  const account = await after.hosts.open(testAccountId);
  await stage(account, staging, 5);
  assert.equal((await appendStaged(account, staging, 10)).targetUids.length, 10);
  await after.hosts.close();
});

test('where the pieces were is removed by the next host at once, when the last one did not come to it', async () => {
  const engine = openMemoryEngine();
  const blobs = openMemoryBlobStore(engine);
  const { clock, armed } = clockByHand();
  // More messages than go in one commit: closing comes in between.
  const limits = { messagesPerCommit: 4 };
  const before = await openTestHosts({ engine, blobs, limits });
  const account = await before.hosts.open(testAccountId);
  const mailboxes = (await account.listMailboxes()).mailboxes.length;
  const staging = newOperation();
  await stage(account, staging, 0);
  await stage(account, staging, 5);
  await appendStaged(account, staging, 10);
  await before.hosts.close();
  const after = await openTestHosts({ engine, blobs, limits, clock, create: false });
  const { writer } = await after.hosts.host(testAccountId);
  assert.equal(writer.state!.mailboxes.size, mailboxes + 1);
  assert.equal(armed(), 0);
  await settled(after);
  assert.equal(writer.state!.mailboxes.size, mailboxes);
  assert.equal(writer.state!.account.messagesUsed, 10);
  await after.hosts.close();
});

test('all or nothing wherever the commits of a large one fail', async () => {
  for (const fault of ['rejected', 'unknownApplied', 'unknownDropped', 'storageFull'] as const) {
    for (let failing = 1; failing <= 4; failing++) {
      const engine = openMemoryEngine();
      let commits = 0;
      let next: (commit: number) => CommitFault = () => undefined;
      const broken = failingEngine(
        engine,
        () => next(++commits),
        () => new MailError('storageFull', 'injected'),
      );
      const blobs = openMemoryBlobStore(engine);
      const fixture = await openTestHosts({ engine: broken, blobs, limits: { messagesPerCommit: 4 } });
      const account = await fixture.hosts.open(testAccountId);
      const { id } = (await account.findMailbox(inbox))!;
      const staging = newOperation();
      await stage(account, staging, 0);
      await stage(account, staging, 5);
      // Three that stage, and the last one.
      commits = 0;
      next = (commit) => (commit === failing ? fault : undefined);
      const last = { operation: newOperation(), staging, target: inbox, messages: 10 };
      await assert.rejects(account.appendStaged(last));
      assert(commits >= failing, 'it came to the fault');
      next = () => undefined;
      const expected = fault === 'unknownApplied' && failing === 4 ? 10 : 0;
      const label = `${fault} at ${failing}`;
      assert.equal((await account.columns(id, undefined)).uids.length, expected, label);
      assert.equal((await account.appendStaged(last)).targetUids.length, 10, label);
      assert.equal((await account.columns(id, undefined)).uids.length, 10, label);
      await settled(fixture);
      assert.deepEqual(await storeCheckFindings({ ...fixture, engine }, false), [], label);
      await fixture.hosts.close();
    }
  }
});
