// Bytes of messages on a node that reads the store itself: the host says where they are and who may have them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../account/port.ts';
import { messageText, newOperation, testAccountId } from '../account/testing.ts';
import { refusedWith } from '../account/testing-engines.ts';
import { Fault } from '../base/fault.ts';
import type { MailboxId, Uid } from '../mail/ids.ts';
import { deliver, inbox, type NodesReads, openNodes, portAt } from './testing-account-nodes.ts';

test('a node that shares the store asks where messages are and reads them itself', async () => {
  const asked: string[] = [];
  const authorize = ({ method }: { method: string }): void => void asked.push(method);
  await using nodes = await openNodes({ readsStore: (storage) => storage, authorize });
  const remote = await portAt(nodes, 'f');
  const local = await nodes.node('a').hosts.open(testAccountId);
  const large = Buffer.concat([messageText({ subject: 'Large' }), Buffer.alloc(300_000, 'x\r\n')]);
  for (const text of [messageText(), large, messageText({ subject: 'Gone' }), messageText()])
    await deliver(remote, text);
  const { info } = await remote.openMailbox(inbox, { claimRecent: false });
  const gone = { operation: newOperation(), mailboxId: info.id, uids: Uint32Array.of(3), anyFlags: true };
  await remote.expunge(gone);
  const bytesOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('latin1');
  const read = async (port: AccountPort, uids: readonly number[], bytesMax: number) =>
    (await port.readMessages(info.id, Uint32Array.from(uids), bytesMax)).map(({ bytes, ...rest }) => ({
      ...rest,
      bytes: bytesOf(bytes),
    }));
  for (const uids of [[1, 2, 3, 4], [3], [2, 4], [4, 9], []])
    for (const bytesMax of [1, 1000, 301_000, 1e7])
      assert.deepStrictEqual(await read(remote, uids, bytesMax), await read(local, uids, bytesMax));
  for (const [uid, offset] of [
    [1, 10],
    [2, 250_000],
    [3, 0],
    [9, 0],
  ] as const) {
    const range = { offset, length: 100_000 };
    const [there, here] = [remote, local].map((port) => port.readRange(info.id, uid as Uid, range));
    assert.equal(bytesOf(await there), bytesOf(await here));
  }
  assert.ok(asked.includes('columns'));
  assert.ok(!asked.includes('readMessages') && !asked.includes('readRange'));
  const elsewhere = remote.readRange(99 as MailboxId, 1 as Uid, { offset: 0, length: 1 });
  await assert.rejects(elsewhere, refusedWith('noSuchMailbox'));
});

test('what a node does not find in the store, or cannot read there, it has from the host', async () => {
  const asked: string[] = [];
  const authorize = ({ method }: { method: string }): void => void asked.push(method);
  let state: 'behind' | 'away' | 'broken' = 'behind';
  const read = async (): Promise<undefined> => {
    if (state === 'away') throw new Fault('the database is away', { temporary: true });
    if (state === 'broken') throw new TypeError('a bug');
    return undefined;
  };
  const getMany = async (keys: readonly Uint8Array[]) => Promise.all(keys.map(read));
  const readsStore = ({ engine, blobs }: NodesReads): NodesReads => ({
    engine: { get: read, getMany, page: (...asked) => engine.page(...asked) },
    blobs,
  });
  await using nodes = await openNodes({ readsStore, authorize });
  const remote = await portAt(nodes, 'f');
  const large = Buffer.concat([messageText({ subject: 'Large' }), Buffer.alloc(300_000, 'x\r\n')]);
  for (const text of [messageText(), large]) await deliver(remote, text);
  const { info } = await remote.openMailbox(inbox, { claimRecent: false });
  const uids = Uint32Array.of(1, 2);
  const range = { offset: 250_000, length: 10 };
  for (state of ['behind', 'away'] as const) {
    asked.length = 0;
    const messages = await remote.readMessages(info.id, uids, 1e7);
    assert.deepEqual(
      messages.map(({ uid, size, bytes }) => [uid, size, bytes?.length]),
      [messageText(), large].map(({ length }, at) => [uids[at], length, length]),
    );
    assert.ok(Buffer.compare(messages[1]!.bytes!, large) === 0);
    const bytes = await remote.readRange(info.id, 2 as Uid, range);
    assert.deepEqual(bytes && Buffer.from(bytes), large.subarray(250_000, 250_010));
    assert.deepEqual(asked, ['columns', 'readMessages', 'columns', 'readRange']);
  }
  state = 'broken';
  await assert.rejects(remote.readMessages(info.id, uids, 1e7), TypeError);
});
