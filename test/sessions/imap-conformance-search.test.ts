// Conformance: what searches return, odd keys, sorting and threading of messages whose headers are broken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asksDovecot,
  type ConformanceServer,
  esearched,
  found,
  openConformanceServer,
  or,
  told,
} from './conformance-server.ts';
import type { ImapClient } from './imap-client.ts';

const day = (date: number): string => `Date: ${date} Mar 2026 12:00:00 +0000`;

const letters: readonly (readonly string[])[] = [
  ['Subject: Re: Fwd: [x] plan (fwd)', 'Message-ID: <1@x>', day(1)],
  // Something unreadable around and behind the reference.
  ['Subject: plan', 'Message-ID: <2@x>', 'References: garbage <1@x> <broken', day(2)],
  // Refers to itself.
  ['Subject: Re: plan', 'Message-ID: <3@x>', 'References: <2@x> <3@x>', day(3)],
  // Two that refer to each other.
  ['Subject: loop a', 'Message-ID: <4@x>', 'References: <5@x>', day(4)],
  ['Subject: loop b', 'Message-ID: <5@x>', 'References: <4@x>', day(5)],
  // The same id twice.
  ['Subject: dup', 'Message-ID: <6@x>', day(6)],
  ['Subject: dup two', 'Message-ID: <6@x>', 'References: <1@x>', day(7)],
  ['Subject: no id', day(8)],
  ['Subject: child', 'Message-ID: <9@x>', 'In-Reply-To: "quoted" text <6@x> more', day(9)],
  ['Subject: Re: ', 'Message-ID: <10@x>', day(10)],
  ['Message-ID: <11@x>', day(11)],
  ['Subject: two ids', 'Message-ID: <12@x> <13@x>', 'Date: garbage'],
  // The id of the first one, written with quotes (RFC 5256 section 3: it is to be unquoted).
  ['Subject: quoted', 'Message-ID: <"1"@x>', 'References: <"1"@x>', day(13)],
];

async function filled(): Promise<{ server: ConformanceServer; a: ImapClient }> {
  const server = await openConformanceServer();
  const a = await server.alice();
  for (const [at, lines] of letters.entries())
    await a
      .append('INBOX', `${lines.join('\r\n')}\r\n\r\nx\r\n`, `"${10 + at}-Apr-2026 00:00:00 +0000"`)
      .ok();
  await a.send('SELECT INBOX').ok();
  return { server, a };
}

test('THREAD on broken references', async () => {
  const { server, a } = await filled();
  await using _ = server;
  for (const [command, threads] of [
    // A message that refers to itself stays the answer to the one before; Dovecot takes it off.
    [
      'REFERENCES UTF-8 ALL',
      or('(1 (2 3)(7)(13))(5 4)(6 9)(8)(10)(11)(12)', '((1 (2)(7)(13))(3))(5 4)(6 9)(8)(10)(11)(12)'),
    ],
    [
      'REFS UTF-8 ALL',
      or('(5 4)(8)(6 9)(10)(11)(1 (2 3)(7)(13))(12)', '(3)(5 4)(8)(6 9)(10)(11)(1 (2)(7)(13))(12)'),
    ],
    ['ORDEREDSUBJECT UTF-8 1:3', '(1 (2)(3))'],
    ['REFERENCES US-ASCII 4:5', '(5 4)'],
    ['REFERENCES UTF-8 NOT ALL', ''],
  ] as const)
    assert.equal(found(await a.send(`THREAD ${command}`).ok(), 'THREAD'), threads, command);
});

test('SORT: base subjects, missing and unreadable fields, repeated criteria', async () => {
  const { server, a } = await filled();
  await using _ = server;
  for (const [criteria, numbers] of [
    // An empty base subject comes first; equal ones keep the order of the mailbox (RFC 5256 section 3).
    ['SUBJECT', '10 11 9 6 7 4 5 8 1 2 3 13 12'],
    ['REVERSE SUBJECT', '12 13 1 2 3 8 5 4 7 6 9 10 11'],
    // Without a date that can be read the time of arrival counts: the 21st of April.
    ['DATE', '1 2 3 4 5 6 7 8 9 10 11 13 12'],
    ['REVERSE DATE', '12 13 11 10 9 8 7 6 5 4 3 2 1'],
    ['FROM', '1 2 3 4 5 6 7 8 9 10 11 12 13'],
    ['FROM REVERSE ARRIVAL', '13 12 11 10 9 8 7 6 5 4 3 2 1'],
    ['SUBJECT SUBJECT', '10 11 9 6 7 4 5 8 1 2 3 13 12'],
    ['SUBJECT REVERSE DATE', '11 10 9 6 7 4 5 8 3 2 1 13 12'],
  ] as const)
    assert.equal(found(await a.send(`SORT (${criteria}) UTF-8 ALL`).ok(), 'SORT'), numbers, criteria);
  for (const wrong of ['()', '(REVERSE)', '(COLOUR)', 'DATE', '(DATE'])
    await a.send(`SORT ${wrong} UTF-8 ALL`).bad();
});

test('ESEARCH: what is asked for, and nothing where nothing matches (RFC 4731)', async () => {
  const { server, a } = await filled();
  await using _ = server;
  for (const [options, all, none] of [
    ['', { ALL: '1:13' }, {}],
    ['ALL', { ALL: '1:13' }, {}],
    ['MIN', { MIN: '1' }, {}],
    ['MAX', { MAX: '13' }, {}],
    ['COUNT', { COUNT: '13' }, { COUNT: '0' }],
    ['MIN MAX ALL COUNT', { MIN: '1', MAX: '13', ALL: '1:13', COUNT: '13' }, { COUNT: '0' }],
    ['min', { MIN: '1' }, {}],
    ['ALL ALL', { ALL: '1:13' }, {}],
    ['SAVE', undefined, undefined],
    ['SAVE COUNT', { COUNT: '13' }, { COUNT: '0' }],
  ] as const) {
    assert.deepEqual(esearched(await a.send(`SEARCH RETURN (${options}) ALL`).ok()), all, options);
    assert.deepEqual(
      esearched(await a.send(`UID SEARCH RETURN (${options}) SUBJECT nowhere`).ok()),
      none,
      options,
    );
  }
  // The order of a sorted result is kept, and its ends are the first and the last of it (RFC 5267 3.1).
  assert.deepEqual(esearched(await a.send('SORT RETURN (MIN MAX ALL COUNT) (REVERSE DATE) UTF-8 1:4').ok()), {
    MIN: '4',
    MAX: '1',
    ALL: '4,3,2,1',
    COUNT: '4',
  });
  for (const wrong of ['(FOO)', '(MIN', 'MIN']) await a.send(`SEARCH RETURN ${wrong} ALL`).bad();
  assert.deepEqual(told(await a.send('SEARCH RETURN (SAVE) 1').ok(), 'ESEARCH', 'SEARCH'), []);
});

test('search keys at their edges', async () => {
  const { server, a } = await filled();
  await using _ = server;
  const everything = '1 2 3 4 5 6 7 8 9 10 11 12 13';
  for (const [keys, numbers] of [
    ['ALL ALL', everything],
    ['(ALL)', everything],
    ['((ALL) (NOT (SEEN)))', everything],
    ['NOT NOT ALL', everything],
    ['OR (1) OR 2 3', '1 2 3'],
    ['SUBJECT ""', everything.replace(' 11', '')],
    ['SUBJECT PLAN', '1 2 3'],
    ['subject {4+}\r\nplan', '1 2 3'],
    ['HEADER Message-ID <2@x>', '2'],
    ['HEADER In-Reply-To ""', '9'],
    ['HEADER X-None ""', ''],
    ['TEXT ""', everything],
    ['BODY ""', everything],
    ['SENTSINCE 10-Mar-2026', '10 11 13'],
    ['SENTON "1-Mar-2026"', '1'],
    ['SENTON 01-Mar-2026', '1'],
    // The message whose date cannot be read was sent on no day; Dovecot has it sent in 1970.
    ['SENTBEFORE 2-Mar-2026', or('1', '1 12')],
    ['BEFORE 11-Apr-2026', '1'],
    ['ON 22-Apr-2026', '13'],
    ['LARGER 0', everything],
    ['SMALLER 0', ''],
    ['SMALLER 4294967295', everything],
    ['KEYWORD $None', ''],
    ['UNKEYWORD $None', everything],
    ['UID 1 UID 2', ''],
    ['CHARSET US-ASCII SUBJECT plan', '1 2 3'],
    ['CHARSET "utf-8" SUBJECT plan', '1 2 3'],
  ] as const)
    assert.equal(found(await a.send(`SEARCH ${keys}`).ok()), numbers, keys);
  if (!asksDovecot) {
    // RFC 9051 section 9: number64.
    assert.equal(found(await a.send('SEARCH LARGER 9223372036854775807').ok()), '');
    await a.send('SEARCH LARGER 9223372036854775808').bad();
  }
  for (const wrong of [
    '',
    '()',
    'NOT',
    'OR ALL',
    'SUBJECT',
    'ON 1-Foo-2026',
    'LARGER x',
    '(ALL',
    'ALL)',
    'ALL CHARSET UTF-8',
  ])
    await a.send(`SEARCH ${wrong}`).bad();
});
