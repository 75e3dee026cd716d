// The codecs of an account: keys against the tuple encoding, records round trip, damage is noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AccountId } from '../../mail/ids.ts';
import { decodeRecord, encodeRecord, RecordDamaged } from '../../storage/record.ts';
import { encodeTuple } from '../../storage/tuple.ts';
import { TombstoneRing } from '../table/tombstone-ring.ts';
import { AccountKeys, isContentKey, numberBehind } from './account-keys.ts';
import {
  decodeCheckedSummary,
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  encodeContent,
  encodeEmail,
  encodeSummaryRecord,
} from './email-record.ts';
import { decodeMessageRow, encodeMessageRow } from './message-row.ts';
import { decodeRuns, encodeRuns } from './operation-record.ts';

const accountId = 'abcdefghijklmnop' as AccountId;
const whole = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 255, 256, 2 ** 16, 2 ** 32, 2 ** 40, 2 ** 48 - 1, 2 ** 48, 2 ** 53 - 1),
);
const word = fc.nat({ max: 2 ** 32 - 1 });

test('keys are the encodings of their tuples', () => {
  const keys = new AccountKeys(accountId);
  const a = ['a', accountId] as const;
  assert.deepEqual(keys.account, encodeTuple(a));
  fc.assert(
    fc.property(whole, whole, whole, fc.string(), (x, y, z, name) => {
      assert.deepEqual(keys.mailbox(x), encodeTuple([...a, 'b', x]));
      assert.deepEqual(keys.message(x, y), encodeTuple([...a, 'm', x, y]));
      assert.deepEqual(keys.email(x), encodeTuple([...a, 'e', x]));
      assert.deepEqual(keys.summary(x), encodeTuple([...a, 'y', x]));
      assert.deepEqual(keys.content(x), encodeTuple([...a, 'c', x]));
      assert.deepEqual(keys.tombstone(x, y, z), encodeTuple([...a, 'x', x, y, z]));
      assert.deepEqual(keys.subscription(name), encodeTuple([...a, 's', name]));
      assert.deepEqual(keys.thread(x), encodeTuple([...a, 't', x]));
      assert.deepEqual(keys.operation(x), encodeTuple([...a, 'o', x]));
      assert.equal(numberBehind(keys.message(x, y), keys.messages(x).prefixLength), y);
    }),
  );
});

test('content keys are told from all others', () => {
  const keys = new AccountKeys(accountId);
  const others = [
    keys.account,
    keys.mailbox(1),
    keys.message(1, 2),
    keys.email(3),
    keys.summary(3),
    keys.tombstone(1, 2, 3),
    keys.subscription('c'),
    keys.thread(5),
    keys.operation(6),
    keys.searchSegment(7, 8),
    keys.annotations(9),
    encodeTuple(['store', 'c'.repeat(16), 'c', 1]),
    encodeTuple(['a']),
  ];
  for (const key of others) assert.ok(!isContentKey(key), key.toString('latin1'));
  for (const emailId of [0, 1, 2 ** 40]) assert.ok(isContentKey(keys.content(emailId)));
});

test('a message row and an email come back as they were', () => {
  const row = fc.record(
    {
      uid: word,
      emailId: whole,
      flagsLow: word,
      flagsHigh: word,
      modSeq: whole,
      size: word,
      internalDate: fc.integer(),
      saveDate: whole,
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(row, (given) =>
      assert.deepEqual(decodeMessageRow(given.uid, encodeMessageRow(given)), given),
    ),
  );
  const email = fc.record(
    {
      threadId: whole,
      size: word,
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
      inline: fc.boolean(),
      sentOtherwise: fc.boolean(),
      isNulFree: fc.boolean(),
      createdModSeq: whole,
      threadHashes: fc.array(fc.nat({ max: 2 ** 48 - 1 }), { maxLength: 20 }),
      memberships: fc.array(fc.tuple(word, word), { maxLength: 10 }).map((pairs) => pairs.flat()),
    },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(email, (given) => assert.deepEqual(decodeEmail(encodeEmail(given)), given)));
});

test('content and summaries say whether they are of a message that is known to have no NUL', () => {
  const bytes = Buffer.from('a message');
  for (const isNulFree of [true, false]) {
    assert.deepEqual(decodeContent(encodeContent({ bytes, isNulFree })), { bytes, isNulFree });
    const record = { threadId: 2 ** 40, summary: bytes, isNulFree };
    const encoded = encodeSummaryRecord(record);
    assert.deepEqual(decodeSummaryRecord(encoded), record);
    assert.deepEqual(decodeCheckedSummary(Buffer.concat([bytes, encoded]), 9, 9 + encoded.length), record);
  }
});

test('of what was stored before NULs were noted nothing is known, and who does not note them reads what is noted', () => {
  const bytes = Buffer.from('a message');
  assert.deepEqual(decodeContent(encodeRecord('content', 1, bytes)), { bytes, isNulFree: false });
  const head = Buffer.alloc(8);
  const before = decodeSummaryRecord(encodeRecord('summary', 1, head, bytes));
  assert.deepEqual(before, { threadId: 0, summary: bytes, isNulFree: false });
  for (const isNulFree of [true, false]) {
    assert.deepEqual(decodeRecord('content', 1, encodeContent({ bytes, isNulFree })).payload, bytes);
    const summary = encodeSummaryRecord({ threadId: 0, summary: bytes, isNulFree });
    assert.deepEqual(decodeRecord('summary', 1, summary).payload, Buffer.concat([head, bytes]));
  }
});

test('any flipped bit of a record is damage', () => {
  const record = encodeMessageRow({
    uid: 1,
    emailId: 2,
    flagsLow: 3,
    flagsHigh: 4,
    modSeq: 5,
    size: 6,
    internalDate: 7,
    saveDate: 8,
  });
  for (let bit = 8; bit < record.length * 8; bit++) {
    const flipped = Buffer.from(record);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeMessageRow(1, flipped), RecordDamaged);
  }
  assert.throws(() => decodeMessageRow(1, record.subarray(0, 3)), RecordDamaged);
});

test('runs of uids', () => {
  assert.deepEqual(encodeRuns([1, 2, 3, 7, 9, 10]), [1, 3, 7, 1, 9, 2]);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 50 }), (uids) =>
      assert.deepEqual([...decodeRuns(encodeRuns(uids))], uids),
    ),
  );
});

test('the ring of tombstones keeps the latest, whole operations at a time', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      (counts, max) => {
        const ring = new TombstoneRing(0, max);
        const all: [modSeq: number, uid: number][] = [];
        let uid = 0;
        for (const [index, count] of counts.entries()) {
          for (let one = 0; one < count; one++) {
            all.push([index + 1, ++uid]);
            ring.push(index + 1, uid);
          }
        }
        assert.ok(ring.length <= max * 2);
        for (let since = ring.completeSince; since <= counts.length; since++) {
          assert.deepEqual(
            ring.after(since),
            all.filter(([modSeq]) => modSeq > since).map(([, one]) => one),
          );
        }
      },
    ),
  );
});
