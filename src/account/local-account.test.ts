// What the port does with messages that come and are read, on every engine. What is done to them afterwards is in
// local-account-changes.test.ts.

import assert from 'node:assert/strict';
import { flagDeleted, flagSeen } from '../mail/flags.ts';
import type { Uid } from '../mail/ids.ts';
import type { AccountPort } from './port.ts';
import { summaryEnvelopeRange } from './summary.ts';
import { messageText, newMessage, newOperation, openTestHosts, testAccountId } from './testing.ts';
import { append, flagsOf, onEngines } from './testing-engines.ts';

onEngines('what is appended is read back byte for byte, after a reload too', async (fixture) => {
  const { account, inbox, hosts, engine, blobs } = fixture;
  const small = messageText({ id: 'one@test', subject: 'Small' });
  const large = Buffer.concat([
    messageText({ id: 'two@test', subject: 'Large' }),
    Buffer.alloc(200_000, 'x\r\n'),
  ]);
  const appended = await account.append({
    operation: newOperation(),
    target: { name: 'inbox' },
    messages: [newMessage(small, ['\\Seen', '$Forwarded']), newMessage(large)],
  });
  assert.deepEqual([...appended.uids], [1, 2]);
  const check = async (port: AccountPort): Promise<void> => {
    const messages = await port.readMessages(inbox, appended.uids, 10_000_000);
    assert.deepEqual(
      messages.map(({ bytes }) => Buffer.from(bytes!)),
      [small, large],
    );
    assert.deepEqual(await flagsOf(port, inbox), { 1: '\\Seen $Forwarded', 2: '' });
    const range = await port.readRange(inbox, 2 as Uid, { offset: large.length - 5, length: 100 });
    assert.deepEqual(Buffer.from(range!), large.subarray(-5));
    const summaries = await port.readSummaries(inbox, Uint32Array.of(1, 2, 3), 1_000_000);
    assert.equal(summaries[2]!.summary, undefined);
    assert.match(Buffer.from(summaries[1]!.summary!.buffer).toString('latin1'), /Large/);
    const envelope = summaryEnvelopeRange(summaries[0]!.summary!);
    assert.match(
      Buffer.from(summaries[0]!.summary!).toString('latin1', envelope.start, envelope.end),
      /^\("Thu, 5 Mar 2026 10:00:00 \+0100" "Small"/,
    );
  };
  await check(account);
  await hosts.close();
  const again = await openTestHosts({ engine, blobs, create: false });
  await check(await again.hosts.open(testAccountId));
  assert.deepEqual(
    (await (await again.hosts.open(testAccountId)).quota()).bytesUsed,
    small.length + large.length,
  );
  await again.hosts.close();
});

onEngines(
  'of those that come at once with the same bytes, one is stored if only new ones are wanted',
  async (fixture) => {
    const { account, inbox } = fixture;
    const bytes = messageText({ id: 'one@test', subject: 'one' });
    const other = messageText({ id: 'one@test', subject: 'two' });
    assert.equal(bytes.length, other.length);
    const appendIfNew = async (text: Buffer, ifNew = true): Promise<number[]> => {
      const target = { id: inbox };
      const appended = await account.append({
        operation: newOperation(),
        target,
        messages: [newMessage(text)],
        ifNew,
      });
      return [...appended.uids];
    };
    const uids = await Promise.all([bytes, bytes, other, bytes, other].map((text) => appendIfNew(text)));
    assert.deepEqual(uids, [[1], [], [2], [], []]);
    const { modSeq } = await account.listMailboxes();
    assert.deepEqual(await appendIfNew(other), []);
    assert.equal((await account.listMailboxes()).modSeq, modSeq, 'nothing changed');
    assert.deepEqual(await appendIfNew(other, false), [3]);
    // What was expunged is new again.
    await account.expunge({
      operation: newOperation(),
      mailboxId: inbox,
      uids: Uint32Array.of(1),
      anyFlags: true,
    });
    assert.deepEqual(await appendIfNew(bytes), [4]);
    const operation = newOperation();
    const again = { operation, target: { id: inbox }, messages: [newMessage(bytes)], ifNew: true } as const;
    assert.deepEqual([...(await account.append(again)).uids], []);
    assert.deepEqual([...(await account.append(again)).uids], [], 'a retry');
  },
);

onEngines('answers of bytes are bounded but never empty', async ({ account, inbox }) => {
  for (let index = 0; index < 4; index++) await append(account, { id: inbox });
  const { size } = (await account.readMessages(inbox, Uint32Array.of(1), 1e6))[0]!;
  assert.equal((await account.readMessages(inbox, Uint32Array.of(1, 2, 3, 4), size * 2)).length, 2);
  const [cut] = await account.readMessages(inbox, Uint32Array.of(3), 10);
  assert.equal(cut!.bytes!.length, 10);
  assert.equal(cut!.size, size);
  const [gone] = await account.readMessages(inbox, Uint32Array.of(99), 10);
  assert.equal(gone!.bytes, undefined);
});

onEngines('replies join the thread of the same subject', async ({ account, inbox }) => {
  const texts = [
    messageText({ id: 'a@test', subject: 'Plan' }),
    messageText({ id: 'b@test', references: 'a@test', subject: 'Re: Plan' }),
    messageText({ id: 'c@test', references: 'b@test', subject: 'Fwd: plan' }),
    messageText({ id: 'd@test', references: 'a@test', subject: 'Something else' }),
    messageText({ id: 'e@test', subject: 'Plan' }),
  ];
  await account.append({
    operation: newOperation(),
    target: { id: inbox },
    messages: texts.map((text) => newMessage(text)),
  });
  const summaries = await account.readSummaries(inbox, Uint32Array.of(1, 2, 3, 4, 5), 1e6);
  assert.deepEqual(
    summaries.map(({ threadId }) => threadId),
    [1, 1, 1, 4, 5],
  );
});

onEngines('counters of a mailbox follow its messages', async ({ account, inbox }) => {
  await append(account, { id: inbox }, ['\\Seen']);
  await append(account, { id: inbox }, ['\\Deleted']);
  const { unseen, deleted, messages, bytes, uidNext } = (await account.findMailbox({ id: inbox }))!;
  const { flagsLow, sizes } = await account.columns(inbox, undefined);
  assert.equal(unseen, flagsLow.filter((flags) => (flags & flagSeen) === 0).length);
  assert.equal(deleted, flagsLow.filter((flags) => (flags & flagDeleted) !== 0).length);
  assert.deepEqual([messages, bytes, uidNext], [2, sizes[0]! + sizes[1]!, 3]);
});
