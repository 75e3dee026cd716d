// Changes of messages that are spread over many pages: each commit rewrites a bounded number of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bytes } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { pageUids } from '../table/message-page.ts';
import { failingEngine, newMessage, newOperation, openTestHosts, testAccountId } from '../testing.ts';

const { start: pagePrefix } = new AccountKeys(testAccountId).rows('p');
const isPageKey = (key: Bytes): boolean =>
  Buffer.compare(key.subarray(0, pagePrefix.length), pagePrefix) === 0;
const inbox = { role: 'inbox' } as const;
const pages = 133;

test('a commit rewrites a bounded number of pages for messages that are spread over many', async () => {
  const pagesPut: number[] = [];
  const engine = failingEngine(
    openMemoryEngine(),
    ({ puts = [] }) => {
      pagesPut.push(puts.filter(({ key }) => isPageKey(key)).length);
      return undefined;
    },
    () => new Error('never'),
  );
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const host = await hosts.host(testAccountId);
  const messages = Array.from({ length: 1000 }, () => newMessage());
  for (let time = 0; time < 17; time++)
    await account.append({ operation: newOperation(), target: inbox, messages });
  const { info, uids } = await account.openMailbox(inbox, { claimRecent: false });
  await host.settled();
  const { id } = info;
  const ofEachPage = (place: number) => uids.filter((uid) => uid % pageUids === place);
  const pagesPutBy = async (change: () => Promise<unknown>): Promise<number[]> => {
    pagesPut.length = 0;
    await change();
    return [...pagesPut];
  };
  const flag = (place: number, name: string) => {
    const change = { operation: newOperation(), mailboxId: id, uids: ofEachPage(place), flags: [name] };
    return account.storeFlags({ ...change, mode: 'add', unchangedSince: undefined });
  };
  const expunge = (chosen: Uint32Array | undefined) =>
    account.expunge({
      operation: newOperation(),
      mailboxId: id,
      uids: chosen,
      anyFlags: chosen !== undefined,
    });
  assert.deepEqual(await pagesPutBy(() => expunge(ofEachPage(3))), [128, 5]);
  const to = { role: 'archive' } as const;
  const move = { operation: newOperation(), from: id, uids: ofEachPage(4), to, move: true };
  assert.deepEqual(await pagesPutBy(() => account.copy(move)), [128 + 1, 5]);
  await flag(5, '\\Deleted');
  assert.deepEqual(await pagesPutBy(() => expunge(undefined)), [128, 5]);
  for (let place = 10; place < 42; place++)
    assert.deepEqual(await pagesPutBy(() => flag(place, '\\Seen')), [0]);
  // One more row over each page is too many.
  assert.deepEqual(await pagesPutBy(() => flag(50, '\\Seen')), [128]);
  assert.equal((await account.findMailbox(inbox))!.messages, uids.length - 3 * pages);
  await hosts.close();
});
