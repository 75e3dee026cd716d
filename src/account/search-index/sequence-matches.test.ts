// Several words in a row, in a segment whose lists have many chunks: what the index says alone is what a scan of the bytes says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { MailboxId } from '../../mail/ids.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { openTestHosts, testAccountId } from '../testing.ts';
import { unpackDirectory } from './segment-directory.ts';
import { chunksSection } from './segment-reader.ts';
import { deliver, scanned } from './testing-scan.ts';

const keys = new AccountKeys(testAccountId);
const random = seededRandom(20_261_122);
// The first ones' lists lie in several chunks.
const frequent = [
  'great',
  'great',
  'great',
  'school',
  'school',
  'the',
  'year',
  'sch',
  'Straße',
  '東京',
  '都',
  '4711',
  'x'.repeat(70),
];
const gaps = [' ', ' ', ' ', ' ', ' ', ', ', '\r\n', '-'];
const batches = 8;
const batchMessages = 30;

function text(words: number): string {
  let made = '';
  for (let at = 0; at < words; at++) {
    const rare = random.integer(200) === 0 ? `rare${random.integer(400)}` : undefined;
    made += (rare ?? frequent[random.integer(frequent.length)]!) + gaps[random.integer(gaps.length)]!;
  }
  return made;
}

/** Some have the words, but in two texts of one message. */
function message(number: number): Buffer {
  const words = number % 5 === 0 ? 4 : 600;
  const part = (body: string): string =>
    `--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}\r\n`;
  const ends = [' lonely', ' lonely words here', ' last first', ' first last'][number % 7] ?? '';
  return Buffer.from(
    `Subject: header${number} first last\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n` +
      `${part(text(words) + ends)}${part(`words ${text(words)}`)}--b--\r\n`,
  );
}

const asked: readonly (readonly [what: string, text: string])[] = [
  ['two that are frequent', 'great school'],
  ['the same twice', 'great great'],
  ['with what stands between', 'great, school'],
  ['over a line', 'year the'],
  ['three', 'the great school'],
  ['six', 'the great school year sch the'],
  ['one of them rare', 'rare7 great'],
  ['both rare', 'rare7 rare8'],
  ['one of them nowhere', 'great nowhere'],
  ['parts of words', 'eat sch'],
  ['letters', 't s'],
  ['a part behind a whole one', 'the great s'],
  ['characters without spaces', '東京都'],
  ['of them and a word', '東京 great'],
  ['a word and of them', 'great-東京'],
  ['folded', 'STRASSE the'],
  ['a long word', `great ${'x'.repeat(30)}`],
  ['numbers', '4711 4711'],
  ['spaces around', ' great school '],
  ['in the header, in another order in bodies', 'first last'],
  ['one word in the header only', 'header7 first'],
  ['in two texts of a message', 'lonely words'],
];

test('the positions of a large segment and a scan find the same', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: batchMessages } });
  const account = await opened.hosts.host(testAccountId);
  let mailbox = 0 as MailboxId;
  // A segment each; then all of them are put together.
  for (let batch = 0; batch < batches; batch++) {
    const numbers = Array.from({ length: batchMessages }, (_, at) => batch * batchMessages + at);
    mailbox = await deliver(account, numbers.map(message));
    await account.settleIndex();
  }
  const { segments } = unpackDirectory((await opened.engine.get(keys.searchDirectory()))!);
  assert.deepEqual(
    segments.map(({ messages }) => messages),
    [batches * batchMessages],
  );
  const chunk = (number: number) => keys.searchSegment(segments[0]!.number, chunksSection + number);
  assert.ok((await opened.engine.get(chunk(3))) !== undefined, 'lists of many chunks');
  const questions = asked.flatMap(([what, text]) =>
    (['body', 'text'] as const).map((type) => ({ what: `${type}: ${what}`, key: { type, text } })),
  );
  const expected = new Map<string, readonly number[]>();
  for (const { what, key } of questions) {
    expected.set(what, await scanned(opened, account, { mailbox, key }));
    assert.deepEqual([...(await account.search(mailbox, key))], expected.get(what), what);
  }
  assert.ok(new Set([...expected.values()].map(({ length }) => length)).size > 8, 'answers of all sizes');
  // Messages that cannot be read any more are still found: the index needs none of them.
  const { emailIds } = await account.columns(mailbox, undefined);
  await opened.engine.commit({ deletes: [...emailIds].map((emailId) => keys.summary(emailId)) });
  for (const { what, key } of questions) {
    if (key.text.startsWith(' ')) continue;
    assert.deepEqual(
      [...(await account.search(mailbox, key))],
      expected.get(what),
      `${what}, by the index alone`,
    );
  }
  await opened.hosts.close();
});
