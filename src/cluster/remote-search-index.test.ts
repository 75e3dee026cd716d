// A search index that is built again from another node than the account's host, while the account moves: the new host goes on
// where the old one was, and whoever asks meanwhile waits for a host instead of failing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../account/port.ts';
import { AccountKeys } from '../account/records/account-keys.ts';
import { unpackDirectory } from '../account/search-index/segment-directory.ts';
import { messageText, newMessage, newOperation, testAccountId } from '../account/testing.ts';
import { systemClock } from '../base/clock.ts';
import { inbox, openNodes, portAt, type TestNodes, testShard } from './testing-account-nodes.ts';

const count = 60;
const accountLimits = { indexMessagesMin: 1 };

async function untilBuilt(port: AccountPort): Promise<void> {
  const deadline = Date.now() + 60_000;
  while ((await port.searchIndex()).isBuilding) {
    assert.ok(Date.now() < deadline, 'the index is not built again');
    await systemClock.sleep(20);
  }
}

async function filled(nodes: TestNodes): Promise<AccountPort> {
  const port = await portAt(nodes, 'f');
  const messages = Array.from({ length: count }, (_, index) =>
    newMessage(messageText({ body: `needle ${index}` })),
  );
  await port.append({ operation: newOperation(), target: inbox, messages });
  await untilBuilt(port);
  return port;
}

/** No two indexes have the same. */
async function segmentsIn({ engine }: TestNodes): Promise<number[]> {
  const value = await engine.get(new AccountKeys(testAccountId).searchDirectory());
  return unpackDirectory(value!).segments.map(({ number }) => number);
}

async function finds(port: AccountPort): Promise<void> {
  const { id } = (await port.findMailbox(inbox))!;
  assert.equal((await port.search(id, { type: 'body', text: 'needle' })).length, count);
}

for (const [how, leave] of [
  ['is handed over', (nodes: TestNodes) => nodes.move(testShard, 'b')],
  ['goes to another because its host is dead', (nodes: TestNodes) => nodes.crash('a', 'b')],
] as const)
  test(`an account ${how} while its index is built again`, async () => {
    await using nodes = await openNodes({ accountLimits });
    const port = await filled(nodes);
    assert.ok(nodes.node('a').hosts.isLoaded(testAccountId));
    const before = await segmentsIn(nodes);
    await port.rebuildSearchIndex();
    const leaving = leave(nodes);
    await finds(port);
    await leaving;
    await untilBuilt(port);
    assert.ok(nodes.node('b').hosts.isLoaded(testAccountId));
    const built = await port.searchIndex();
    assert.deepEqual([built.messages, built.waiting, built.isBuilding], [count, 0, false]);
    const after = await segmentsIn(nodes);
    assert.ok(after.length === built.segments && after[0]! > before.at(-1)!, `${before}, then ${after}`);
    assert.deepEqual(await (await portAt(nodes, 'b')).searchIndex(), built);
    await finds(port);
  });

test('a rebuild that is asked for while nobody hosts the account waits for its next host', async () => {
  await using nodes = await openNodes({ accountLimits });
  const port = await filled(nodes);
  const before = await segmentsIn(nodes);
  const a = nodes.node('a');
  await a.hosted.onShardReleasing(testShard);
  a.epochs.delete(testShard);
  const asked = port.rebuildSearchIndex();
  await nodes.give(testShard, 'b');
  await asked;
  await untilBuilt(port);
  assert.equal((await port.searchIndex()).waiting, 0);
  const after = await segmentsIn(nodes);
  assert.ok(after[0]! > before.at(-1)!, `${before}, then ${after}`);
  await finds(port);
});
