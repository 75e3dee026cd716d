// An index of which something is damaged or lost: it is noticed by who searches, told in the log and built again, and what is
// left of it goes. Searches that are under way do not take the new one for the old one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowTurns } from '../../base/testing-turns.ts';
import type { Engine } from '../../storage/engine.ts';
import type { LocalAccount } from '../local-account.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { openTestHosts, storeCheckFindings, type TestHosts, testAccountId } from '../testing.ts';
import { unpackDirectory } from './segment-directory.ts';
import {
  chunksSection,
  headersSection,
  positionsSection,
  segmentSections,
  termsSection,
} from './segment-reader.ts';
import { deliver } from './testing-scan.ts';

const keys = new AccountKeys(testAccountId);
const limits = { indexMessagesMin: 1 };
const texts = ['needle and thread', 'thread and needle', 'neither'];
const messages = texts.map((text) => Buffer.from(`Subject: s\r\n\r\n${text}\r\n`));

async function reopened({
  engine,
  blobs,
  hosts,
}: TestHosts): Promise<{ opened: TestHosts; account: LocalAccount }> {
  await hosts.close();
  const opened = await openTestHosts({ engine, blobs, limits, create: false });
  return { opened, account: await opened.hosts.host(testAccountId) };
}

async function numbersOf(engine: Engine): Promise<number[]> {
  const value = await engine.get(keys.searchDirectory());
  return value === undefined ? [] : unpackDirectory(value).segments.map(({ number }) => number);
}

async function indexRows(engine: Engine): Promise<number> {
  const { start, end } = keys.rows('i');
  return (await engine.page({ start, end }, { entriesMax: 1_000, bytesMax: 1e9 })).entries.length;
}

const sections = {
  terms: termsSection,
  positions: positionsSection,
  subjects: headersSection + 5,
  chunk: chunksSection,
};
for (const [what, section] of Object.entries(sections)) {
  test(`a segment without its ${what} is met by a search, and the index is built again`, async () => {
    const before = await openTestHosts({ limits });
    const first = await before.hosts.host(testAccountId);
    const inbox = await deliver(first, messages);
    await first.settleIndex();
    assert.deepEqual(await numbersOf(before.engine), [1]);
    const { opened, account } = await reopened(before);
    const { engine } = opened;
    await engine.commit({ deletes: [keys.searchSegment(1, section)] });
    assert.deepEqual([...(await account.search(inbox, { type: 'body', text: 'needle and' }))], [1]);
    assert.deepEqual(
      [...(await account.search(inbox, { type: 'header', field: 'subject', text: 's' }))],
      [1, 2, 3],
    );
    const deadline = Date.now() + 60_000;
    while (!(await numbersOf(engine)).some((number) => number > 1)) {
      assert.ok(Date.now() < deadline, 'the index stays as it is');
      await sleep(20);
    }
    await account.settleIndex();
    assert.equal(await indexRows(engine), 1 + segmentSections.length);
    assert.deepEqual(await storeCheckFindings(opened, false), []);
    assert.deepEqual([...(await account.search(inbox, { type: 'body', text: 'needle and' }))], [1]);
    await opened.hosts.close();
  });
}

test('an index whose directory is lost is built again, and its rows go', async () => {
  const before = await openTestHosts({ limits });
  const first = await before.hosts.host(testAccountId);
  for (const message of messages) {
    await deliver(first, [message]);
    await first.settleIndex();
  }
  assert.equal(await indexRows(before.engine), 1 + 3 * segmentSections.length);
  const { opened, account } = await reopened(before);
  await opened.engine.commit({ deletes: [keys.searchDirectory()] });
  await account.settleIndex();
  assert.equal(await indexRows(opened.engine), 1 + segmentSections.length);
  await opened.hosts.close();
});

test('an index that is built again has other numbers: a search that is under way knows the old ones', async () => {
  const opened = await openTestHosts({ limits });
  const account = await opened.hosts.host(testAccountId);
  await deliver(account, messages);
  await account.settleIndex();
  const { start, end } = keys.rows('i');
  await opened.engine.commit({ deleteRanges: [{ start, end }] });
  account.forgetIndex();
  await account.settleIndex();
  assert.deepEqual(await numbersOf(opened.engine), [2]);
  await opened.hosts.close();
});

test('a search of many terms gives others their turn', async () => {
  const clock = slowTurns();
  const opened = await openTestHosts({ limits, clock: { ...clock, sleep: () => clock.nextTurn() } });
  const account = await opened.hosts.host(testAccountId);
  const many = Array.from({ length: 40_000 }, (_, number) => `w${number}x`).join(' ');
  const inbox = await deliver(account, [...messages, Buffer.from(`Subject: s\r\n\r\n${many}\r\n`)]);
  await account.settleIndex();
  for (const text of ['w', 'x w', 'x w9 w8 w']) {
    const before = clock.turnsGiven;
    await account.search(inbox, { type: 'body', text });
    assert.ok(clock.turnsGiven - before >= 5, `${text}: ${clock.turnsGiven - before} turns`);
  }
  await opened.hosts.close();
});
