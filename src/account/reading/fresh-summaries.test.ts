// What came just now is found as it was stored, and what is kept stays bounded.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeSummaryRecord } from '../records/email-record.ts';
import { newMessage, newOperation, testAccountId, unloadAccount } from '../testing.ts';
import { onEngines } from '../testing-engines.ts';
import { type FreshPlaces, FreshSummaries } from './fresh-summaries.ts';

test('summaries of several accounts are found until newer ones take their room', () => {
  const fresh = new FreshSummaries();
  const accounts: FreshPlaces[] = [new Map(), new Map()];
  const summary = (emailId: number, account: number) => Buffer.alloc(10_000, `${emailId}.${account} `);
  const count = 4_000;
  for (let emailId = 1; emailId <= count; emailId++)
    for (const [account, places] of accounts.entries())
      fresh.keep(
        places,
        emailId,
        encodeSummaryRecord({
          threadId: emailId * 2,
          summary: summary(emailId, account),
          isNulFree: emailId % 3 === 0,
        }),
      );
  let bytes = 0;
  for (const [account, places] of accounts.entries()) {
    assert.equal(fresh.find(places, 1), undefined);
    assert.equal([...places.keys()].at(-1), count);
    for (const emailId of places.keys()) {
      const found = fresh.find(places, emailId)!;
      assert.equal(found.threadId, emailId * 2);
      assert.equal(found.isNulFree, emailId % 3 === 0);
      assert.deepEqual(Buffer.from(found.summary), summary(emailId, account));
      bytes += found.summary.length;
    }
  }
  assert.ok(bytes > 30e6 && bytes < 34e6, `${bytes}`);
});

test('a very large summary is not kept', () => {
  const fresh = new FreshSummaries();
  const places: FreshPlaces = new Map();
  const large = { threadId: 1, summary: Buffer.alloc(20_000), isNulFree: true };
  fresh.keep(places, 1, encodeSummaryRecord(large));
  assert.equal(fresh.find(places, 1), undefined);
});

onEngines('summaries are the same whether they came just now or are read', async (fixture) => {
  const { account, inbox, hosts } = fixture;
  const append = () =>
    account.append({ operation: newOperation(), target: { id: inbox }, messages: [newMessage()] });
  await append();
  await append();
  await unloadAccount(hosts);
  // Of what came before the account was read again it knows nothing.
  await append();
  const { state } = (await hosts.host(testAccountId)).writer;
  assert.deepEqual([...state!.freshSummaries.keys()], [3]);
  const read = async () =>
    (await account.readSummaries(inbox, Uint32Array.of(1, 2, 3, 4), 1e6)).map((each) => ({
      ...each,
      summary: each.summary && Buffer.from(each.summary).toString('latin1'),
    }));
  const mixed = await read();
  await unloadAccount(hosts);
  assert.deepEqual(mixed, await read());
  assert.deepEqual(
    mixed.map(({ summary }) => summary !== undefined),
    [true, true, true, false],
  );
});
