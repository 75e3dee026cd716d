// The index against a scan of the bytes: whatever the messages and the question, both find the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { AccountKeys } from '../account-keys.ts';
import type { LocalAccount } from '../local-account.ts';
import { searchMailbox } from '../search.ts';
import { newMessage, newOperation, openTestHosts, type TestHosts, testAccountId } from '../testing.ts';
import { eachTerm, termQuery } from './terms.ts';

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
const text = fc.array(word, { maxLength: 8 }).map((some) => some.join(' '));
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
  .map(({ subject, name, body, html, file }) =>
    Buffer.from(
      `From: ${encoded(name)} <someone@bar.example>\r\nTo: list@bar.example, "Name, Quoted" <q@x.test>\r\nSubject: ${encoded(subject)}\r\n` +
        'Date: Sun, 1 Mar 2026 23:30:00 -0500\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
        `--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64(body)}\r\n` +
        `--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>${html}</p>\r\n` +
        `--b\r\nContent-Type: image/png; name="${encoded(file)}"\r\n\r\nschool of binary\r\n--b--\r\n`,
    ),
  );

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

async function scanned(opened: TestHosts, account: LocalAccount, mailbox: MailboxId, asked: SearchKey) {
  return searchMailbox({
    engine: opened.engine,
    blobs: opened.blobs,
    keys: new AccountKeys(testAccountId),
    inlineBytesMax: 64 * 1024,
    clock: systemClock,
    columns: await account.columns(mailbox, undefined),
    keywords: [],
    key: asked,
  });
}

async function deliver(account: LocalAccount, messages: readonly Buffer[]): Promise<MailboxId> {
  const target = { role: 'inbox' } as const;
  const given = messages.map((bytes) => newMessage(bytes));
  return (await account.append({ operation: newOperation(), target, messages: given })).mailboxId;
}

test('the index and a scan find the same, with some messages not indexed and some gone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 2, maxLength: 12 }),
      fc.array(key, { minLength: 5, maxLength: 10 }),
      async (messages, keys) => {
        const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
        try {
          const account = await opened.hosts.host(testAccountId);
          const half = Math.ceil(messages.length / 2);
          const inbox = await deliver(account, messages.slice(0, half));
          await account.settleIndex();
          assert.equal(account.indexLag, 0);
          if (half < messages.length) await deliver(account, messages.slice(half));
          const uids = Uint32Array.of(1);
          await account.expunge({ operation: newOperation(), mailboxId: inbox, uids, anyFlags: true });
          for (const asked of keys) {
            const found = await account.search(inbox, asked);
            assert.deepEqual(
              [...found],
              [...(await scanned(opened, account, inbox, asked))],
              JSON.stringify(asked),
            );
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
  // A directory, and two rows a segment: 20 steps left 2 merged segments of 8 and 4 others.
  assert.equal(rows.entries.length, 1 + 2 * 6);
  const find = async (asked: SearchKey): Promise<number[]> => [...(await account.search(inbox, asked))];
  assert.deepEqual(await find({ type: 'body', text: 'word1' }), [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  assert.deepEqual(await find({ type: 'header', field: 'subject', text: 'n20' }), [20]);
  assert.equal((await find({ type: 'text', text: 'shared' })).length, 20);
  await opened.hosts.close();
});

test('an index that is damaged counts as none', async () => {
  const engineOf = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await engineOf.hosts.host(testAccountId);
  const inbox = await deliver(account, [Buffer.from('Subject: one\r\n\r\nneedle\r\n')]);
  await account.settleIndex();
  await engineOf.hosts.close();
  const keys = new AccountKeys(testAccountId);
  for (const section of [0, 1]) {
    const value = Buffer.from((await engineOf.engine.get(keys.searchSegment(1, section)))!);
    value[value.length - 1]! ^= 1;
    await engineOf.engine.commit({ puts: [{ key: keys.searchSegment(1, section), value }] });
  }
  const again = await openTestHosts({ engine: engineOf.engine, blobs: engineOf.blobs, create: false });
  const opened = await again.hosts.host(testAccountId);
  assert.deepEqual([...(await opened.search(inbox, { type: 'body', text: 'needle' }))], [1]);
  assert.deepEqual([...(await opened.search(inbox, { type: 'header', field: 'subject', text: 'one' }))], [1]);
  await again.hosts.close();
});

test('terms: runs of word characters, pairs of unspaced ones, long runs in pieces', () => {
  const terms = (folded: string): string[] => {
    const all: string[] = [];
    eachTerm(folded, (term) => all.push(term));
    return all;
  };
  assert.deepEqual(terms("foo_bar, it's 東京都x"), ['foo_bar', 'it', 's', '東京', '京都', 'x']);
  assert.deepEqual(terms('x'.repeat(70)), ['x'.repeat(64), 'x'.repeat(38)]);
  assert.deepEqual(termQuery('foo'), { needles: ['foo'], isExact: true });
  assert.deepEqual(termQuery('foo bar'), { needles: ['foo\n', '\nbar'], isExact: false });
  assert.deepEqual(termQuery('東京'), { needles: ['\n東京\n'], isExact: true });
  assert.equal(termQuery(' - '), undefined);
  for (let code = 0; code < 65_536; code++) {
    const character = String.fromCharCode(code);
    if (/\s/.test(character)) assert.deepEqual(terms(`a${character}b`), ['a', 'b'], code.toString(16));
  }
});
