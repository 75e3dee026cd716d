// SORT, THREAD (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT (RFC 5267 3), FUZZY (RFC 6203) and PARTIAL (RFC 9394).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImapClient } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

interface Fields {
  readonly [name: string]: string;
}

function message(fields: Fields, body = 'Hello\r\n'): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${lines.join('')}\r\n${body}`;
}

async function filled(messages: readonly string[]): Promise<{ server: ImapServer; a: ImapClient }> {
  const server = await openImapServer();
  const a = await server.alice();
  // Each arrives a day before the one before it.
  for (const [index, text] of messages.entries()) {
    await a.append('INBOX', text, `"${20 - index}-Mar-2026 12:00:00 +0000"`).ok();
  }
  await a.send('SELECT INBOX').ok();
  return { server, a };
}

const day = (date: number): string => `${date} Mar 2026 12:00:00 +0000`;

const letters = [
  message({ From: 'Zoe <b@x.test>', To: 'd@x.test', Subject: 'banana', Date: day(3) }, 'one\r\n'),
  message(
    { From: '"Adam A" <z@x.test>', To: 'c@x.test', Subject: 'Re: apple', Date: day(1) },
    'longer text\r\n',
  ),
  message({ From: 'a@x.test', Cc: 'k@x.test', Subject: 'Apple', Date: day(2) }, 'the longest text\r\n'),
  message(
    { From: '=?utf-8?q?=C3=84nne?= <m@x.test>', Subject: '[list] Cherry (fwd)', Date: 'no date' },
    'x\r\n',
  ),
];

test('SORT by each criterion, in reverse, and by several', async () => {
  const { server, a } = await filled(letters);
  await using _ = server;
  const bySize = [1, 2, 3, 4]
    .sort((one, two) => letters[one - 1]!.length - letters[two - 1]!.length)
    .join(' ');
  const sorts: readonly (readonly [string, string])[] = [
    ['SUBJECT', '2 3 1 4'],
    ['REVERSE SUBJECT', '4 1 2 3'],
    ['FROM', '3 1 4 2'],
    ['TO', '3 4 2 1'],
    ['CC', '1 2 4 3'],
    ['SIZE', bySize],
    ['ARRIVAL', '4 3 2 1'],
    ['REVERSE ARRIVAL', '1 2 3 4'],
    ['SUBJECT REVERSE DATE', '3 2 1 4'],
    ['DISPLAYFROM', '3 2 4 1'],
    ['DISPLAYTO', '3 4 2 1'],
    ['REVERSE CC FROM', '3 1 4 2'],
  ];
  for (const [criteria, expected] of sorts) {
    await a.send(`SORT (${criteria}) UTF-8 ALL`).tells(`* SORT ${expected}`);
  }
  // The message without a date counts by its arrival.
  await a.send('SORT (DATE) US-ASCII ALL').tells('* SORT 2 3 1 4');
  await a.send('UID SORT (REVERSE DATE) UTF-8 1:3 SUBJECT "apple"').tells('* SORT 3 2');
  await a.send('SORT (SUBJECT) UTF-8 SUBJECT nowhere').tells('* SORT');
});

test('SORT sees what comes and goes', async () => {
  const { server, a } = await filled(letters);
  await using _ = server;
  await a.send('SORT (SUBJECT) UTF-8 ALL').tells('* SORT 2 3 1 4');
  await a.append('INBOX', message({ Subject: 'avocado', Date: day(9) })).ok();
  await a.send('SORT (SUBJECT) UTF-8 ALL').tells('* SORT 2 3 5 1 4');
  await a.send('STORE 3 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  await a.send('SORT (SUBJECT) UTF-8 ALL').tells('* SORT 2 4 1 3');
  await a.send('UID SORT (SUBJECT) UTF-8 ALL').tells('* SORT 2 5 1 4');
});

test('SORT refuses what it does not know', async () => {
  const { server, a } = await filled([]);
  await using _ = server;
  await a.send('SORT (SUBJECT) UTF-8 ALL').tells('* SORT');
  await a.send('SORT () UTF-8 ALL').bad();
  await a.send('SORT (COLOUR) UTF-8 ALL').bad();
  await a.send('SORT (REVERSE) UTF-8 ALL').bad();
  await a.send('SORT (SUBJECT) UTF-8').bad();
  await a.send('SORT (SUBJECT) KOI8-R ALL').no(/^BADCHARSET/);
  await a.send('SORT (RELEVANCY) UTF-8 ALL').bad();
  await a.send('THREAD FOO UTF-8 ALL').bad();
  await a.send('THREAD REFERENCES KOI8-R ALL').no(/^BADCHARSET/);
  await a.send('UNSELECT').ok();
  await a.send('SORT (SUBJECT) UTF-8 ALL').bad();
  await a.send('THREAD REFS UTF-8 ALL').bad();
});

test('ESORT: results in their order, first and last, parts', async () => {
  const { server, a } = await filled(letters);
  await using _ = server;
  await a.send('UID SORT RETURN () (REVERSE DATE) UTF-8 1:3').tells('* ESEARCH (TAG "t7") UID ALL 1,3,2');
  await a
    .send('SORT RETURN (MIN MAX COUNT) (SUBJECT) UTF-8 ALL')
    .tells('* ESEARCH (TAG "t8") MIN 2 MAX 4 COUNT 4');
  await a
    .send('SORT RETURN (PARTIAL 2:3 COUNT) (SUBJECT) UTF-8 ALL')
    .tells('* ESEARCH (TAG "t9") COUNT 4 PARTIAL (2:3 3,1)');
  await a
    .send('SORT RETURN (PARTIAL 5:9) (SUBJECT) UTF-8 ALL')
    .tells('* ESEARCH (TAG "t10") PARTIAL (5:9 NIL)');
  await a.send('SORT RETURN (PARTIAL 1:2 ALL) (SUBJECT) UTF-8 ALL').bad();
});

test('PARTIAL counts from either end, saves what it tells, and limits UID FETCH', async () => {
  const { server, a } = await filled(Array.from({ length: 6 }, (_, at) => message({ Subject: `m${at}` })));
  await using _ = server;
  await a.send('UID SEARCH RETURN (PARTIAL -1:-2) ALL').tells('* ESEARCH (TAG "t9") UID PARTIAL (-1:-2 5:6)');
  await a.send('SEARCH RETURN (PARTIAL 5:99) ALL').tells('* ESEARCH (TAG "t10") PARTIAL (5:99 5:6)');
  await a.send('SEARCH RETURN (PARTIAL 3:2) ALL').tells('* ESEARCH (TAG "t11") PARTIAL (3:2 2:3)');
  await a.send('SEARCH RETURN (PARTIAL -7:-9) ALL').tells('* ESEARCH (TAG "t12") PARTIAL (-7:-9 NIL)');
  await a
    .send('SEARCH RETURN (SAVE PARTIAL 2:3 MAX) ALL')
    .tells('* ESEARCH (TAG "t13") MAX 6 PARTIAL (2:3 2:3)');
  await a.send('SEARCH $').tells('* SEARCH 2 3 6');
  await a.send('SEARCH RETURN (SAVE PARTIAL 2:3 COUNT) ALL').ok();
  await a.send('SEARCH $').tells('* SEARCH 1 2 3 4 5 6');
  for (const wrong of ['0:1', '1:-2', '1', '*:1', '1:2 PARTIAL 1:2']) {
    await a.send(`SEARCH RETURN (PARTIAL ${wrong}) ALL`).bad();
  }
  const fetched = await a.send('UID FETCH 2:6 (UID) (PARTIAL -1:-2)').ok();
  assert.deepEqual(fetched.untagged, ['* 5 FETCH (UID 5)', '* 6 FETCH (UID 6)']);
  await a.send('UID FETCH 2:6 (UID) (PARTIAL 1:1 CHANGEDSINCE 1)').ok();
  await a.send('FETCH 2:6 (UID) (PARTIAL 1:1)').bad();
});

const threaded = [
  message({ Subject: 'plan', 'Message-ID': '<1@x>', Date: day(1) }),
  message({ Subject: 'Re: plan', 'Message-ID': '<2@x>', References: '<1@x>', Date: day(2) }),
  message({ Subject: 'Re: plan', 'Message-ID': '<3@x>', References: '<1@x> <2@x>', Date: day(4) }),
  message({ Subject: 'Re: plan', 'Message-ID': '<4@x>', 'In-Reply-To': '<1@x>', Date: day(3) }),
  message({ Subject: 'other', 'Message-ID': '<5@x>', Date: day(2) }),
  // Two answers to a message that is not here.
  message({ Subject: 'Re: lost', 'Message-ID': '<7@x>', References: '<6@x>', Date: day(6) }),
  message({ Subject: 'Re: lost', 'Message-ID': '<8@x>', References: '<6@x>', Date: day(5) }),
  // Without references, but a reply by its subject.
  message({ Subject: 'Re: other', 'Message-ID': '<9@x>', Date: day(7) }),
];

test('THREAD by its algorithms', async () => {
  const { server, a } = await filled(threaded);
  await using _ = server;
  await a.send('THREAD REFERENCES UTF-8 ALL').tells('* THREAD (1 (2 3)(4))(5 8)((7)(6))');
  await a.send('THREAD REFS UTF-8 ALL').tells('* THREAD (5)(1 (2 3)(4))((7)(6))(8)');
  await a.send('THREAD ORDEREDSUBJECT UTF-8 ALL').tells('* THREAD (1 (2)(4)(3))(5 8)(7 6)');
  await a.send('UID THREAD REFERENCES US-ASCII 2:4').tells('* THREAD ((2 3)(4))');
  await a.send('THREAD REFERENCES UTF-8 SUBJECT nowhere').tells('* THREAD');
});

test('FUZZY finds the words anywhere, and tells what is more relevant', async () => {
  const { server, a } = await filled([
    message({ Subject: 'break the IMAP' }),
    message({ Subject: 'IMAP break' }),
    message({ Subject: 'IMAP' }),
  ]);
  await using _ = server;
  await a.send('SEARCH SUBJECT "IMAP break"').tells('* SEARCH 2');
  await a.send('SEARCH FUZZY (SUBJECT "IMAP break")').tells('* SEARCH 1 2');
  await a
    .send('SEARCH RETURN (RELEVANCY ALL) FUZZY SUBJECT "IMAP break"')
    .tells('* ESEARCH (TAG "t8") ALL 1:2 RELEVANCY (50 100)');
  await a.send('SORT (RELEVANCY) UTF-8 FUZZY SUBJECT "imap break"').tells('* SORT 2 1');
  await a.send('SEARCH RETURN (RELEVANCY) ALL').bad();
});

test('SEARCH compares without case and accents (RFC 5255 4.2)', async () => {
  const { server, a } = await filled([message({ Subject: '=?utf-8?q?Le_R=C3=A9sum=C3=A9_de_STRASSE?=' })]);
  await using _ = server;
  await a.send('SEARCH SUBJECT {17+}\r\nresume de stra\xc3\x9fe').tells('* SEARCH 1');
  await a.send('SEARCH SUBJECT {8+}\r\nR\xc3\x89SUM\xc3\x89').tells('* SEARCH 1');
});
