// Searches: any key over any message is answered or refused as too large, and the answers obey logic: nothing is both in a
// key and its negation, and De Morgan's laws hold. The first line is the key, one byte a step; the rest is the message.

import assert from 'node:assert/strict';
import { newMessage, newOperation, openTestHosts, testAccountId } from '../../src/account/testing.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import type { SearchKey } from '../../src/mail/search-key.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const words = ['', 'a', 'ü', 'ß', 'invoice', 'two words', '\n', '=?utf-8?q?=FC?=', '\u0130', 'İi'];
const fields = ['subject', 'From', 'x-none', '', 'date', 'to:'];
const flags = ['\\Seen', 'work', '\\Nonsense', ''];

/** A key made from bytes: consumes what it needs, ends in `all`. */
function keyFrom(bytes: Uint8Array, at: { position: number }, depth: number): SearchKey {
  const next = (): number => bytes[at.position++] ?? 0;
  const pick = <T>(from: readonly T[]): T => from[next() % from.length]!;
  const inner = (): SearchKey => keyFrom(bytes, at, depth + 1);
  if (depth > 70) return { type: 'all' };
  switch (next() % 14) {
    case 1:
      return { type: 'and', keys: Array.from({ length: next() % 4 }, inner) };
    case 2:
      return { type: 'or', keys: Array.from({ length: next() % 4 }, inner) };
    case 3:
      return { type: 'not', key: inner() };
    case 4:
      return { type: 'flag', name: pick(flags), set: next() % 2 === 0 };
    case 5:
      return { type: 'uids', ranges: [next(), 300] };
    case 6:
      return { type: 'largerThan', bytes: next() };
    case 7:
      return { type: 'smallerThan', bytes: next() * 10 };
    case 8: {
      const of = pick(['internal', 'sent', 'saved'] as const);
      return { type: 'date', of, compare: pick(['before', 'on', 'since'] as const), day: next() * 200 };
    }
    case 9:
      return { type: 'header', field: pick(fields), text: pick(words) };
    case 10:
      return { type: 'body', text: pick(words) };
    case 11:
      return { type: 'text', text: pick(words) };
    case 12:
      return { type: 'threadId', threadId: next() };
    case 13:
      return { type: 'modSeqSince', modSeq: next() };
    default:
      return { type: 'all' };
  }
}

function seed(key: readonly number[], message: string): Buffer {
  return Buffer.concat([Buffer.from(key), Buffer.from(`\n${message}`)]);
}

const mail =
  'From: =?utf-8?q?J=C3=BCrgen?= <j@example.test>\r\nSubject: Invoice\r\n\ttwo words\r\nDate: Sun, 1 Mar 2026 23:30:00 -0500\r\n' +
  'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Gr&uuml;&szlig;e</p>\r\n' +
  '--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nZwei =FC\r\n--b--\r\n';

export const target: FuzzTarget = {
  name: 'search',
  seeds: () => [
    seed([11, 4], mail),
    seed([3, 9, 0, 4], mail),
    seed([1, 2, 10, 2, 9, 1, 2], mail),
    seed([2, 3, 3, 3, 8, 1, 1, 30, 6, 5, 7, 9], mail),
    seed(Array(60).fill(3) as number[], 'no header'),
  ],
  async run(input) {
    const lineEnd = Math.max(0, Buffer.from(input).indexOf(10));
    const key = keyFrom(input.subarray(0, lineEnd), { position: 0 }, 0);
    const { hosts } = await openTestHosts();
    try {
      const account = await hosts.open(testAccountId);
      const messages = [newMessage(input.subarray(lineEnd + 1), ['\\Seen']), newMessage(mail, ['Work'])];
      const { mailboxId } = await account.append({
        operation: newOperation(),
        target: { role: 'inbox' },
        messages,
      });
      const find = async (wanted: SearchKey): Promise<number[] | undefined> => {
        try {
          return [...(await account.search(mailboxId, wanted))];
        } catch (error) {
          if (isMailError(error, 'limitReached')) return undefined;
          throw error;
        }
      };
      const found = await find(key);
      const others = await find({ type: 'not', key });
      if (found === undefined || others === undefined) return;
      assert.deepEqual([...found, ...others].sort(), [1, 2]);
      const seen: SearchKey = { type: 'flag', name: '\\Seen', set: true };
      const neither = await find({ type: 'not', key: { type: 'or', keys: [key, seen] } });
      const both = await find({
        type: 'and',
        keys: [
          { type: 'not', key },
          { type: 'not', key: seen },
        ],
      });
      assert.deepEqual(neither, both);
    } finally {
      await hosts.close();
    }
  },
};
