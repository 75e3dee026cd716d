import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandNamed } from './command.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseCommand } from './parse-command.ts';

function search(arguments_: string): CommandNamed<'SEARCH'> {
  const command = parseCommand({ text: `a ${arguments_}`, literals: [] }, { utf8: false });
  assert(command.name === 'SEARCH');
  return command;
}

const key = (keys: string) => search(`SEARCH ${keys}`).key;
const seen = { type: 'flag', name: '\\Seen', set: true };
const unseen = { ...seen, set: false };

test('the example of RFC 9051 6.4.4', () => {
  assert.deepEqual(key('FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"'), {
    type: 'and',
    keys: [
      { type: 'flag', name: '\\Flagged', set: true },
      { type: 'date', of: 'internal', compare: 'since', day: Date.UTC(1994, 1, 1) / 86_400_000 },
      { type: 'not', key: { type: 'header', field: 'from', text: 'Smith' } },
    ],
  });
});

test('each kind of key', () => {
  assert.deepEqual(key('NEW'), { type: 'and', keys: [{ type: 'recent' }, unseen] });
  assert.deepEqual(key('OLD'), { type: 'not', key: { type: 'recent' } });
  assert.deepEqual(key('1:5,*'), { type: 'sequence', set: { saved: false, ranges: [1, 5, 0, 0] } });
  assert.deepEqual(key('UID $'), { type: 'uid', set: { saved: true, ranges: [] } });
  assert.deepEqual(key('HEADER X-Foo ""'), { type: 'header', field: 'x-foo', text: '' });
  assert.deepEqual(key('LARGER 4294967296'), { type: 'largerThan', bytes: 4294967296 });
  assert.deepEqual(key('SENTON "1-Jan-1970"'), { type: 'date', of: 'sent', compare: 'on', day: 0 });
  assert.deepEqual(key('SAVEDBEFORE 2-Jan-1970'), { type: 'date', of: 'saved', compare: 'before', day: 1 });
  assert.deepEqual(key('YOUNGER 259200'), { type: 'younger', seconds: 259200 });
  assert.deepEqual(key('UNKEYWORD $Junk'), { type: 'flag', name: '$Junk', set: false });
  assert.deepEqual(key('EMAILID M6d99ac'), { type: 'emailId', id: 'M6d99ac' });
  assert.deepEqual(key('(((SEEN)))'), seen);
  assert.deepEqual(search('SEARCH MODSEQ "/flags/\\\\draft" all 620162338').key, {
    type: 'modSeqSince',
    modSeq: 620162338,
  });
  assert.equal(search('SEARCH NOT MODSEQ 7').usesModSeq, true);
  assert.equal(search('SEARCH ALL').usesModSeq, false);
});

test('chains of OR and NOT are flat, whichever way they nest', () => {
  const uid = (number: number) => ({ type: 'uid', set: { saved: false, ranges: [number, number] } });
  assert.deepEqual(key('OR UID 1 OR UID 2 UID 3'), { type: 'or', keys: [uid(1), uid(2), uid(3)] });
  assert.deepEqual(key('OR OR UID 1 UID 2 UID 3'), { type: 'or', keys: [uid(1), uid(2), uid(3)] });
  assert.deepEqual(key('NOT NOT NOT SEEN'), { type: 'not', key: seen });
  assert.deepEqual(key('NOT NOT SEEN UNSEEN'), { type: 'and', keys: [seen, unseen] });
  const many = key(`${'OR SEEN '.repeat(400)}SEEN`);
  assert(many.type === 'or' && many.keys.length === 401);
});

test('RETURN and CHARSET', () => {
  const none = {
    min: false,
    max: false,
    all: false,
    count: false,
    save: false,
    partial: undefined,
    relevancy: false,
    update: false,
  };
  assert.deepEqual(search('SEARCH RETURN () ALL').return, { ...none, all: true });
  assert.deepEqual(search('UID SEARCH RETURN (MIN COUNT save) CHARSET "utf-8" ALL').return, {
    ...none,
    min: true,
    count: true,
    save: true,
  });
  assert.deepEqual(search('SEARCH RETURN (PARTIAL -10:-1 UPDATE CONTEXT) ALL').return, {
    ...none,
    partial: { from: 1, to: 10, fromEnd: true, text: '-10:-1' },
    update: true,
  });
  assert.equal(search('SEARCH RETURN (RELEVANCY) FUZZY FUZZY TEXT x').usesFuzzy, true);
  assert.deepEqual(key('NOT FUZZY SEEN'), { type: 'not', key: { type: 'fuzzy', key: seen } });
  assert.equal(search('SEARCH ALL').return, undefined);
  assert.deepEqual(key('CHARSET UTF-8 TEXT "\xe2\x98\xba"'), { type: 'text', text: '☺' });
  assert.throws(
    () => key('CHARSET KOI8-R TEXT x'),
    (error) =>
      error instanceof ImapSyntaxError &&
      error.status === 'NO' &&
      error.code === 'BADCHARSET (UTF-8 US-ASCII)' &&
      error.tag === 'a',
  );
});

test('what is no search, too deep or too long is refused', () => {
  for (const text of [
    '',
    'FOO',
    'OR SEEN',
    'NOT',
    '(SEEN',
    '()',
    'SEEN  UNSEEN',
    'SINCE 31-Feb-2020',
    'YOUNGER 0',
    'KEYWORD \\Seen',
    'TEXT "\xff"',
    'EMAILID a.b',
    'RETURN (FOO) ALL',
    'RETURN (PARTIAL 1:2 ALL) ALL',
    'RETURN (PARTIAL 1:-2) ALL',
    'RETURN (PARTIAL 0:2) ALL',
    'RETURN (PARTIAL 4294967296:2) ALL',
    'RETURN (RELEVANCY) ALL',
    'FUZZY',
    `${'FUZZY (SEEN '.repeat(60)}SEEN${')'.repeat(60)}`,
    'MODSEQ "/x/y" all 5',
    `${'('.repeat(60)}SEEN${')'.repeat(60)}`,
    `${'NOT (SEEN '.repeat(60)}SEEN${')'.repeat(60)}`,
    `${'OR NOT (SEEN) '.repeat(20)}${'('.repeat(60)}`,
    Array(1001).fill('SEEN').join(' '),
    `${'OR '.repeat(1001)}SEEN`,
    '('.repeat(20_000),
  ])
    assert.throws(() => key(text), ImapSyntaxError, text.slice(0, 40));
});
