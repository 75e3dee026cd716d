// What the port does when messages are changed: flags, copies, expunges, retries, tombstones; on every engine.

import assert from 'node:assert/strict';
import type { ModSeq } from '../mail/ids.ts';
import type { AccountPort } from './port.ts';
import { messageText, newMessage, newOperation, openTestHosts, testAccountId } from './testing.ts';
import { append, flagsOf, onEngines, refusedWith } from './testing-engines.ts';

onEngines(
  'flags: add, remove, replace, unchangedSince, keywords in any letter case',
  async ({ account, inbox }) => {
    await append(account, { id: inbox }, ['Work']);
    await append(account, { id: inbox });
    const store = (
      mode: 'add' | 'remove' | 'replace',
      flags: string[],
      uids = [1, 2],
      unchangedSince?: ModSeq,
    ) =>
      account.storeFlags({
        operation: newOperation(),
        mailboxId: inbox,
        uids: Uint32Array.from(uids),
        mode,
        flags,
        unchangedSince,
      });
    await store('add', ['\\seen', 'WORK', 'Fun']);
    assert.deepEqual(await flagsOf(account, inbox), { 1: '\\Seen Work Fun', 2: '\\Seen Work Fun' });
    const { highestModSeq, unseen } = (await account.findMailbox({ id: inbox }))!;
    assert.equal(unseen, 0);
    const nothing = await store('add', ['fun']);
    assert.deepEqual([...nothing.messages.modSeqs], [highestModSeq, highestModSeq]);
    await store('remove', ['work', 'unknown'], [1]);
    await store('replace', ['\\Deleted'], [2]);
    assert.deepEqual(await flagsOf(account, inbox), { 1: '\\Seen Fun', 2: '\\Deleted' });
    const conditional = await store('add', ['\\Flagged'], [1, 2, 7], (highestModSeq + 1) as ModSeq);
    assert.deepEqual([...conditional.modified], [2]);
    assert.deepEqual([...conditional.missing], [7]);
    assert.deepEqual([...conditional.messages.uids], [1]);
    assert.deepEqual((await account.findMailbox({ id: inbox }))!.keywords, ['Work', 'Fun']);
    await assert.rejects(store('add', ['no(t']), refusedWith('invalidArgument'));
    await assert.rejects(
      store(
        'add',
        Array.from({ length: 60 }, (_, index) => `k${index}`),
      ),
      refusedWith('tooManyKeywords'),
    );
    assert.deepEqual((await account.findMailbox({ id: inbox }))!.keywords, ['Work', 'Fun']);
    const many = Array.from({ length: 57 }, (_, index) => `k${index}`);
    await store('add', many, [1]);
    assert.equal((await flagsOf(account, inbox))[1], `\\Flagged \\Seen Fun ${many.join(' ')}`);
  },
);

onEngines(
  'expunge removes what is deleted, tells tombstones, and the email goes with its last membership',
  async ({ account, inbox, engine }) => {
    await append(account, { id: inbox }, ['\\Deleted'], messageText({ id: 'a@test' }));
    await append(account, { id: inbox }, [], messageText({ id: 'b@test' }));
    const { modSeq } = await append(account, { id: inbox }, ['\\Deleted'], messageText({ id: 'c@test' }));
    await account.copy({
      operation: newOperation(),
      from: inbox,
      uids: Uint32Array.of(3),
      to: { role: 'archive' },
      move: false,
    });
    assert.equal((await account.quota()).messagesUsed, 3);
    const expunged = await account.expunge({
      operation: newOperation(),
      mailboxId: inbox,
      uids: undefined,
      anyFlags: false,
    });
    assert.deepEqual([...expunged.uids], [1, 3]);
    assert.equal((await account.quota()).messagesUsed, 2);
    const changes = await account.changesSince(inbox, modSeq);
    assert.deepEqual([...changes.vanished], [1, 3]);
    assert.deepEqual([...changes.changed.uids], []);
    assert.equal(
      (
        await account.expunge({
          operation: newOperation(),
          mailboxId: inbox,
          uids: Uint32Array.of(2),
          anyFlags: false,
        })
      ).uids.length,
      0,
    );
    await account.expunge({
      operation: newOperation(),
      mailboxId: inbox,
      uids: Uint32Array.of(2),
      anyFlags: true,
    });
    const archive = (await account.findMailbox({ role: 'archive' }))!;
    await account.expunge({
      operation: newOperation(),
      mailboxId: archive.id,
      uids: undefined,
      anyFlags: true,
    });
    assert.deepEqual(await account.quota(), {
      bytesUsed: 0,
      messagesUsed: 0,
      bytesMax: undefined,
      messagesMax: undefined,
    });
    // Nothing of the emails is left: only rows of the account, mailboxes, subscriptions, tombstones, operations.
    const letters = new Set<string>();
    const rows = await engine.page(
      { start: Buffer.from([2, 0x61]), end: Buffer.from([2, 0x62]) },
      { entriesMax: 1000, bytesMax: 1e9 },
    );
    for (const { key } of rows.entries) letters.add(Buffer.from(key).toString('latin1', 21).slice(1, 2));
    assert.deepEqual([...letters].sort(), ['', 'b', 'o', 's', 'x']);
  },
);

onEngines(
  'copy keeps email, thread, size and dates, and carries keywords over',
  async ({ account, inbox }) => {
    await append(account, { role: 'archive' }, ['Zebra']);
    await append(account, { id: inbox }, ['\\Seen', 'Ant', 'zebra']);
    const copied = await account.copy({
      operation: newOperation(),
      from: inbox,
      uids: Uint32Array.of(1, 9),
      to: { role: 'archive' },
      move: false,
    });
    assert.deepEqual([[...copied.sourceUids], [...copied.targetUids]], [[1], [2]]);
    assert.deepEqual(await flagsOf(account, copied.to), { 1: 'Zebra', 2: '\\Seen Zebra Ant' });
    const [source] = await account.readSummaries(inbox, Uint32Array.of(1), 1e6);
    const [target] = await account.readSummaries(copied.to, Uint32Array.of(2), 1e6);
    assert.equal(source!.emailId, target!.emailId);
    const same = await account.copy({
      operation: newOperation(),
      from: inbox,
      uids: Uint32Array.of(1),
      to: { id: inbox },
      move: false,
    });
    assert.deepEqual([...same.targetUids], [2]);
    const moved = await account.copy({
      operation: newOperation(),
      from: inbox,
      uids: Uint32Array.of(1, 2),
      to: { name: 'Trash' },
      move: true,
    });
    assert.deepEqual([...moved.targetUids], [1, 2]);
    assert.deepEqual(await flagsOf(account, inbox), {});
    assert.equal((await account.quota()).messagesUsed, 2);
    await assert.rejects(
      account.copy({
        operation: newOperation(),
        from: inbox,
        uids: Uint32Array.of(1),
        to: { name: 'Nowhere' },
        move: false,
      }),
      refusedWith('noSuchMailbox'),
    );
  },
);

onEngines(
  'mutations of many messages: a copy is whole, the rest goes in pieces',
  async ({ account, inbox, hosts, engine, blobs }) => {
    const messages = Array.from({ length: 25 }, (_, index) =>
      newMessage(messageText({ id: `${index}@test` })),
    );
    await account.append({ operation: newOperation(), target: { id: inbox }, messages });
    const { uids } = await account.openMailbox({ id: inbox }, { claimRecent: false });
    await account.storeFlags({
      operation: newOperation(),
      mailboxId: inbox,
      uids,
      mode: 'add',
      flags: ['Many'],
      unchangedSince: undefined,
    });
    const operation = newOperation();
    const copied = await account.copy({ operation, from: inbox, uids, to: { role: 'archive' }, move: false });
    assert.deepEqual([...copied.targetUids], [...uids]);
    assert.deepEqual(
      await account.copy({ operation, from: inbox, uids, to: { role: 'archive' }, move: false }),
      copied,
    );
    const columns = await account.columns(copied.to, undefined);
    assert.equal(new Set(columns.modSeqs).size, 1);
    const moved = await account.copy({
      operation: newOperation(),
      from: inbox,
      uids,
      to: { role: 'trash' },
      move: true,
    });
    assert.deepEqual([...moved.targetUids], [...uids]);
    const expunged = await account.expunge({
      operation: newOperation(),
      mailboxId: copied.to,
      uids: undefined,
      anyFlags: true,
    });
    assert.deepEqual([...expunged.uids], [...uids]);
    assert.equal((await account.quota()).messagesUsed, 25);
    await hosts.close();
    const again = await openTestHosts({ engine, blobs, create: false });
    const port = await again.hosts.open(testAccountId);
    assert.equal((await port.columns(copied.to, undefined)).uids.length, 0);
    assert.equal((await port.columns(moved.to, undefined)).uids.length, 25);
    assert.equal(
      Object.values(await flagsOf(port, moved.to)).every((flags) => flags === 'Many'),
      true,
    );
    await again.hosts.close();
  },
  { messagesPerCommit: 4 },
);

onEngines(
  'a retried mutation is applied once and answers the same',
  async ({ account, inbox, hosts, engine, blobs }) => {
    const operations = {
      append: newOperation(),
      flags: newOperation(),
      copy: newOperation(),
      expunge: newOperation(),
      create: newOperation(),
      delete: newOperation(),
    };
    const run = async (port: AccountPort) => {
      const messages = [newMessage(messageText(), ['\\Deleted']), newMessage()];
      const appended = await port.append({ operation: operations.append, target: { id: inbox }, messages });
      const flags = await port.storeFlags({
        operation: operations.flags,
        mailboxId: inbox,
        uids: Uint32Array.of(2),
        mode: 'add',
        flags: ['Once'],
        unchangedSince: undefined,
      });
      const copied = await port.copy({
        operation: operations.copy,
        from: inbox,
        uids: appended.uids,
        to: { role: 'archive' },
        move: false,
      });
      const expunged = await port.expunge({
        operation: operations.expunge,
        mailboxId: inbox,
        uids: undefined,
        anyFlags: false,
      });
      const created = await port.createMailbox({ operation: operations.create, name: 'Once' });
      return { appended, flags, copied, expunged, created };
    };
    const first = await run(account);
    assert.deepEqual(await run(account), first);
    await hosts.close();
    const again = await openTestHosts({ engine, blobs, create: false });
    const port = await again.hosts.open(testAccountId);
    assert.deepEqual(await run(port), first);
    // Both at once: the second finds the first in the same group.
    const [one, two] = await Promise.all(
      ['Twice', 'Twice'].map((name) => port.createMailbox({ operation: 'same' as never, name })),
    );
    assert.deepEqual(one, two);
    await assert.rejects(
      port.deleteMailbox({ operation: operations.create, name: 'Once' }),
      refusedWith('invalidArgument'),
    );
    await again.hosts.close();
  },
);

onEngines(
  'tombstones are pruned; who was away too long is told',
  async ({ account, inbox, hosts }) => {
    const starts: ModSeq[] = [];
    for (let round = 0; round < 30; round++) {
      const { modSeq, uids } = await append(account, { id: inbox });
      starts.push(modSeq);
      await account.expunge({ operation: newOperation(), mailboxId: inbox, uids, anyFlags: true });
    }
    await (await hosts.host(testAccountId)).settled();
    const late = await account.changesSince(inbox, starts[29]!);
    assert.deepEqual([[...late.vanished], late.incomplete], [[30], false]);
    const middle = await account.changesSince(inbox, starts[22]!);
    assert.deepEqual([[...middle.vanished], middle.incomplete], [[23, 24, 25, 26, 27, 28, 29, 30], false]);
    assert.equal((await account.changesSince(inbox, starts[0]!)).incomplete, true);
  },
  { tombstonesMax: 10, tombstonesInMemoryMax: 2 },
);

onEngines('a uid that is named twice is changed once', async ({ account, inbox }) => {
  for (let index = 0; index < 3; index++) await append(account, { id: inbox });
  const uids = Uint32Array.of(3, 1, 3, 1);
  const options = {
    mailboxId: inbox,
    uids,
    mode: 'add',
    flags: ['\\Seen'],
    unchangedSince: undefined,
  } as const;
  const stored = await account.storeFlags({ ...options, operation: newOperation() });
  assert.deepEqual([...stored.messages.uids], [1, 3]);
  const copied = await account.copy({
    operation: newOperation(),
    from: inbox,
    uids,
    to: { role: 'trash' },
    move: true,
  });
  assert.deepEqual([...copied.sourceUids], [1, 3]);
  assert.equal((await account.findMailbox({ id: inbox }))!.messages, 1);
});
