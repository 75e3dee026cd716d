// The index against a scan of the bytes: whatever the messages and the question, both find the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { MailboxId } from '../../mail/ids.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import type { Batch } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { failingEngine, newOperation, openTestHosts, testAccountId } from '../testing.ts';
import { unpackDirectory } from './segment-directory.ts';
import { chunksSection, positionsSection, segmentSections } from './segment-reader.ts';
import { deliver, scanned } from './testing-scan.ts';

const words = [
  'school',
  'schoolbook',
  'Straße',
  'naïve',
  'Ünder_score',
  '4711',
  'a',
  'I',
  '東京都',
  '東',
  '京都',
  'แมว',
  '😀',
  'x'.repeat(70),
  `${'y'.repeat(40)}z${'y'.repeat(40)}`,
  'foo@bar.example',
  'e\u0301tude',
  '한국어',
  'ΟΔΟΣ',
  '-',
  '\u0001',
];
const word = fc.constantFrom(...words);
const gap = fc.oneof(
  { weight: 3, arbitrary: fc.constant(' ') },
  fc.constantFrom('', ', ', ' - ', '@', '\r\n', '  ', '\u00a0', ' "', '-'.repeat(20)),
);
const text = fc.oneof(
  fc.array(word, { maxLength: 8 }).map((some) => some.join(' ')),
  fc.array(fc.tuple(word, gap), { maxLength: 8 }).map((some) => some.flat().join('')),
);
const glued = fc.array(word, { minLength: 1, maxLength: 3 }).map((some) => some.join(''));

const base64 = (value: string): string => Buffer.from(value).toString('base64');
const encoded = (value: string): string => (value === '' ? '' : `=?utf-8?b?${base64(value)}?=`);

const message = fc
  .record({
    subject: text,
    name: text,
    body: fc.oneof(text, glued),
    html: text,
    file: fc.oneof(word, fc.constant('')),
  })
  .map(({ subject, name, body, html, file }) => ({
    texts: [subject, body, html],
    bytes: Buffer.from(
      `From: ${encoded(name)} <someone@bar.example>\r\nTo: list@bar.example, "Name, Quoted" <q@x.test>\r\nSubject: ${encoded(subject)}\r\n` +
        'Date: Sun, 1 Mar 2026 23:30:00 -0500\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
        `--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(body)}\r\n` +
        `--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>${html}</p>\r\n` +
        `--b\r\nContent-Type: image/png; name="${encoded(file)}"\r\n\r\nschool of binary\r\n--b--\r\n`,
    ),
  }));

/** A word, part of one, several, with what stands between them. */
const needle = fc.oneof(
  word,
  text,
  glued,
  fc
    .tuple(word, fc.nat(5), fc.integer({ min: 1, max: 40 }))
    .map(([one, from, length]) => one.slice(from, from + length)),
  text.map((some) => ` ${some} `),
);
const key: fc.Arbitrary<SearchKey> = fc.oneof(
  fc.record({ type: fc.constantFrom('body' as const, 'text' as const), text: needle }),
  fc.record({
    type: fc.constant('header' as const),
    field: fc.constantFrom('Subject', 'from', 'TO', 'cc', 'bcc', 'x-other'),
    text: needle,
  }),
  fc.constant<SearchKey>({ type: 'date', of: 'sent', compare: 'on', day: Date.UTC(2026, 2, 1) / 86_400_000 }),
);

/** A piece of a text that one of the messages has. */
const piece = fc.record({
  type: fc.constantFrom('body' as const, 'text' as const),
  message: fc.nat(),
  text: fc.nat(2),
  from: fc.nat(),
  length: fc.integer({ min: 2, max: 40 }),
});

function pieceKey(
  { type, message: at, text: which, from, length }: typeof piece extends fc.Arbitrary<infer P> ? P : never,
  messages: readonly { readonly texts: readonly string[] }[],
): SearchKey {
  const whole = messages[at % messages.length]!.texts[which]!;
  const start = from % Math.max(1, whole.length);
  return { type, text: whole.slice(start, start + length) };
}

test('the index and a scan find the same, with some messages not indexed and some gone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 2, maxLength: 14 }),
      fc.array(key, { minLength: 3, maxLength: 6 }),
      fc.array(piece, { minLength: 8, maxLength: 16 }),
      async (messages, others, pieces) => {
        const keys = [...others, ...pieces.map((one) => pieceKey(one, messages))];
        const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
        try {
          const account = await opened.hosts.host(testAccountId);
          const all = messages.map(({ bytes }) => bytes);
          const indexed = Math.ceil(all.length * 0.8);
          // One segment each: eight are put together.
          const together = indexed > 8 ? indexed - 7 : indexed;
          const inbox = await deliver(account, all.slice(0, together));
          for (let number = together; number < indexed; number++) {
            await account.settleIndex();
            await deliver(account, all.slice(number, number + 1));
          }
          await account.settleIndex();
          assert.equal(account.indexLag, 0);
          if (indexed < all.length) await deliver(account, all.slice(indexed));
          const uids = Uint32Array.of(1, 4, 5);
          await account.expunge({ operation: newOperation(), mailboxId: inbox, uids, anyFlags: true });
          for (const asked of keys) {
            const found = await account.search(inbox, asked);
            const expected = await scanned(opened, account, { mailbox: inbox, key: asked });
            assert.deepEqual([...found], expected, JSON.stringify(asked));
          }
        } finally {
          await opened.hosts.close();
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('segments are put together, and find the same as before', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const subject = (number: number): Buffer =>
    Buffer.from(`Subject: common n${number}\r\n\r\nbody word${number} shared\r\n`);
  let inbox = 0 as MailboxId;
  for (let number = 1; number <= 20; number++) {
    inbox = await deliver(account, [subject(number)]);
    await account.settleIndex();
  }
  const keys = new AccountKeys(testAccountId);
  const { start, end } = keys.rows('i');
  const rows = await opened.engine.page({ start, end }, { entriesMax: 1000, bytesMax: 1e9 });
  // A directory and the segments: 20 steps left 2 merged ones of 8 and 4 others.
  assert.equal(rows.entries.length, 1 + segmentSections.length * 6);
  const find = async (asked: SearchKey): Promise<number[]> => [...(await account.search(inbox, asked))];
  assert.deepEqual(await find({ type: 'body', text: 'word1' }), [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.deepEqual(await find({ type: 'header', field: 'subject', text: 'n20' }), [20]);
  assert.equal((await find({ type: 'text', text: 'shared' })).length, 20);
  await opened.hosts.close();
});

test('a segment of which more than a third is gone is written again without them', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const text = (number: number): Buffer =>
    Buffer.from(`Subject: n${number}\r\n\r\nsecret${number} stays ${'#'.repeat(number)} here\r\n`);
  const numbers = Array.from({ length: 12 }, (_, index) => index + 1);
  const inbox = await deliver(account, numbers.map(text));
  await account.settleIndex();
  const keys = new AccountKeys(testAccountId);
  const { start, end } = keys.rows('i');
  const indexed = async (): Promise<string[]> => {
    const { entries } = await opened.engine.page({ start, end }, { entriesMax: 100, bytesMax: 1e9 });
    const all = entries.map(({ value }) => Buffer.from(value).toString('latin1')).join();
    const ofWords = numbers.filter((number) => all.includes(`\nsecret${number}\n`));
    // What stands between words goes too.
    const ofGaps = numbers.filter((number) => all.includes(` ${'#'.repeat(number)} \n`));
    assert.deepEqual(ofGaps, ofWords);
    return ofWords.map((number) => `secret${number}`);
  };
  const expunge = (uids: number[]) =>
    account.expunge({
      operation: newOperation(),
      mailboxId: inbox,
      uids: Uint32Array.from(uids),
      anyFlags: true,
    });
  await deliver(
    account,
    numbers.map(() => Buffer.from('Subject: another segment\r\n\r\n')),
  );
  await account.settleIndex();
  await expunge([1, 2, 3, 4, 13]);
  await account.settleIndex();
  // A third: it was looked at, but not yet.
  assert.equal((await indexed()).length, 12);
  await expunge([12]);
  await account.settleIndex();
  assert.deepEqual(
    await indexed(),
    numbers.slice(4, 11).map((number) => `secret${number}`),
  );
  const found = await account.search(inbox, { type: 'text', text: 'secret7 stays' });
  assert.deepEqual([...found], [7]);
  // All of it: no segment is left. It is looked at without having been asked for, once messages are gone.
  await expunge([5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  const deadline = Date.now() + 60_000;
  while ((await indexed()).length > 0) {
    assert.ok(Date.now() < deadline, 'the index keeps what is gone');
    await sleep(20);
  }
  const { segments } = unpackDirectory((await opened.engine.get(keys.searchDirectory()))!);
  assert.deepEqual(
    segments.filter(({ firstEmailId }) => firstEmailId <= 12),
    [],
  );
  await opened.hosts.close();
});

test('several words are answered without looking at messages', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const inbox = await deliver(account, [
    Buffer.from('Subject: good\r\n news\r\n\r\nThe Great  School,\r\nof 東京都.\r\n'),
    Buffer.from('Subject: good school\r\n\r\nGreat, school. News of a school.\r\n'),
  ]);
  await account.settleIndex();
  const keys = new AccountKeys(testAccountId);
  await opened.engine.commit({ deletes: [1, 2].map((emailId) => keys.summary(emailId)) });
  const find = async (text: string, type: 'text' | 'body' = 'body'): Promise<number[]> => [
    ...(await account.search(inbox, { type, text })),
  ];
  assert.deepEqual(await find('great school'), [1]);
  assert.deepEqual(await find('eat, sch'), [2]);
  assert.deepEqual(await find('school, of 東京'), [1]);
  assert.deepEqual(await find('東京都'), [1]);
  assert.deepEqual(await find('good news'), []);
  assert.deepEqual(await find('good news', 'text'), [1]);
  assert.deepEqual(await find('s of a s'), [2]);
  assert.deepEqual(await find('school news'), []);
  await opened.hosts.close();
});

test('terms with numbers of several bytes are told apart', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const many = Array.from({ length: 40_000 }, (_, number) => `w${number}x`).join(' ');
  // The last bytes of their numbers are the same, every 128 words.
  const pairs = Array.from(
    { length: 160 },
    (_, at) => `w${at * 129}x w${at}x w${at * 3 + 16_500}x, w${at + 128}x w${at}x.`,
  );
  const inbox = await deliver(
    account,
    [many, ...pairs].map((text) => Buffer.from(`Subject: s\r\n\r\n${text}\r\n`)),
  );
  await account.settleIndex();
  // So many messages that the positions are read, and kept.
  assert.equal((await account.search(inbox, { type: 'body', text: 'x w' })).length, 161);
  const columns = await account.columns(inbox, undefined);
  await opened.engine.commit({
    deletes: [...columns.emailIds].map((emailId) => new AccountKeys(testAccountId).summary(emailId)),
  });
  for (const at of [0, 1, 2, 77, 127, 128, 129, 159]) {
    for (const asked of [`w${at * 129}x w${at}x`, `w${at}x w${at * 3 + 16_500}x`]) {
      const expected = pairs.flatMap((text, index) => (text.includes(asked) ? [index + 2] : []));
      if (` ${many} `.includes(` ${asked} `)) expected.unshift(1);
      const found = await account.search(inbox, { type: 'body', text: asked });
      assert.deepEqual([...found], expected, asked);
    }
    for (const asked of [`w${at + 1}x w${at}x`, `w${at + 2}x w${at + 2}x`]) {
      const absent = await account.search(inbox, { type: 'body', text: asked });
      assert.deepEqual([...absent], [], `${asked} is nowhere`);
    }
  }
  await opened.hosts.close();
});

test('a merge of which nobody knows whether it was committed: the index is what the store has', async () => {
  const keys = new AccountKeys(testAccountId);
  const { start, end } = keys.rows('i');
  const isMerge = ({ deleteRanges = [] }: Batch): boolean =>
    deleteRanges.some(
      (range) => Buffer.compare(range.start, start) >= 0 && Buffer.compare(range.end, end) < 0,
    );
  let faults = 0;
  const engine = failingEngine(
    openMemoryEngine(),
    (batch) => (isMerge(batch) && faults++ === 0 ? 'unknownApplied' : undefined),
    () => new Error('not full'),
  );
  const opened = await openTestHosts({ engine, limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  for (let number = 1; number <= 8; number++) {
    await deliver(account, [Buffer.from(`Subject: n${number}\r\n\r\nshared\r\n`)]);
    await account.settleIndex().catch((error: unknown) => assert.match(String(error), /injected/));
  }
  assert.equal(faults, 1);
  const inbox = await deliver(account, [Buffer.from('Subject: n9\r\n\r\nshared\r\n')]);
  await account.settleIndex();
  const rows = await engine.page({ start, end }, { entriesMax: 100, bytesMax: 1e9 });
  assert.equal(rows.entries.length, 1 + segmentSections.length * 2);
  const { segments } = unpackDirectory((await engine.get(keys.searchDirectory()))!);
  assert.deepEqual(
    segments.map(({ messages }) => messages),
    [8, 1],
  );
  assert.equal((await account.search(inbox, { type: 'text', text: 'shared' })).length, 9);
  await opened.hosts.close();
});

test('an index that is damaged counts as none', async () => {
  const { engine, blobs, hosts } = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await hosts.host(testAccountId);
  const inbox = await deliver(account, [Buffer.from('Subject: one\r\n\r\nneedle and thread\r\n')]);
  await account.settleIndex();
  await hosts.close();
  const keys = new AccountKeys(testAccountId);
  for (const sections of [segmentSections, [positionsSection], [chunksSection]]) {
    const rows = sections.map((section) => keys.searchSegment(1, section));
    const values = await Promise.all(rows.map(async (key) => ({ key, value: (await engine.get(key))! })));
    const damaged = values.map(({ key, value }) => ({ key, value: Buffer.from(value) }));
    for (const { value } of damaged) value[value.length - 1]! ^= 1;
    await engine.commit({ puts: damaged });
    const again = await openTestHosts({ engine, blobs, create: false });
    const opened = await again.hosts.host(testAccountId);
    const find = async (key: SearchKey) => [...(await opened.search(inbox, key))];
    assert.deepEqual(await find({ type: 'body', text: 'needle' }), [1]);
    assert.deepEqual(await find({ type: 'body', text: 'needle and' }), [1]);
    assert.deepEqual(await find({ type: 'header', field: 'subject', text: 'one' }), [1]);
    await again.hosts.close();
    await engine.commit({ puts: values });
  }
});

test('fields of any length are found as a scan finds them', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const many = Array.from({ length: 6_000 }, (_, index) => `"Näme ${index}" <a${index}@b.example>`);
  const header = (to: string, subject: string): Buffer =>
    Buffer.from(`From: x@b.example\r\nTo: ${to}\r\nSubject: ${subject}\r\n\r\nbody\r\n`);
  const mailbox = await deliver(account, [
    header(many.join(',\r\n '), 'many'),
    // Nothing but the last word is left of it when it is decoded.
    header('a1@b.example', `${'=?utf-8?q??=\r\n '.repeat(8_000)}=?utf-8?q?w=C3=B6rter?=`),
    header(`nobody:;, ${many.slice(0, 50).join(', ')}`, 'few'),
    header('"a1" <other@b.example>', 'one'),
  ]);
  await account.settleIndex();
  const keys: SearchKey[] = [
    ...['a1@b.example', 'a5999@b.example', 'näme 5999', 'NAME 1', 'nobody', 'a1', 'a49@b.example', ''].map(
      (sought) => ({ type: 'header', field: 'to', text: sought }) as const,
    ),
    ...['wörter', 'many', '', 'utf-8'].map(
      (sought) => ({ type: 'header', field: 'subject', text: sought }) as const,
    ),
    ...['wörter', 'a5999@b.example', 'näme 1" <a1@b'].map(
      (sought) => ({ type: 'text', text: sought }) as const,
    ),
  ];
  for (const sought of keys) {
    const found = [...(await account.search(mailbox, sought))];
    assert.deepEqual(found, await scanned(opened, account, { mailbox, key: sought }), JSON.stringify(sought));
  }
  const counted = { type: 'header', field: 'to', text: 'a1@b.example' } as const;
  assert.deepEqual([...(await account.search(mailbox, counted))], [1, 2, 3]);
  await opened.hosts.close();
});
