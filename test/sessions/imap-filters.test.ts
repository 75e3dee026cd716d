// FILTERS (RFC 5466): searches that are kept under a name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ImapClient, mail } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

async function opened(server: ImapServer): Promise<ImapClient> {
  const a = await server.alice('INBOX');
  for (const body of ['small', 'x'.repeat(6000), 'other']) await a.append('INBOX', mail('one', body)).ok();
  return a;
}

function keep(a: ImapClient, name: string, search: string) {
  return a.send(`SETMETADATA "" (/private/filters/values/${name} ${quoted(search)})`);
}

test('the examples of RFC 5466 3.1 and 3.2: a filter stands for its search', async () => {
  await using server = await openImapServer();
  const a = await opened(server);
  await keep(a, 'on-the-road', 'OR SMALLER 5000 FROM "boss@example.com"').ok();
  await a.send('SEARCH FILTER on-the-road').tells('* SEARCH 1 3');
  await a.send('UID SEARCH UID 2:900 FILTER On-The-Road SINCE "3-Dec-2002"').tells('* SEARCH 3');
  await a.send('SEARCH NOT FILTER on-the-road').tells('* SEARCH 2');
  await a.send('SEARCH CHARSET UTF-8 FILTER on-the-road').tells('* SEARCH 1 3');
  await a.send('THREAD ORDEREDSUBJECT UTF-8 NOT FILTER on-the-road').tells('* THREAD (2)');
  const tag = a.write('ESEARCH IN (personal) FILTER on-the-road');
  const { untagged } = await a.expect(tag).ok();
  assert.match(untagged[0]!, / UID ALL 1,3$/);
  // Several keys are one search: NOT is of all of them.
  await keep(a, 'two', 'SMALLER 5000 BODY other').ok();
  await a.send('SEARCH NOT FILTER two').tells('* SEARCH 1 2');
  // It is changed by storing another, and gone by storing NIL.
  await keep(a, 'two', 'ALL').ok();
  await a.send('SEARCH FILTER two').tells('* SEARCH 1 2 3');
  await a.send('SETMETADATA "" (/private/filters/values/two NIL)').ok();
  await a.send('SEARCH FILTER two').no('UNDEFINED-FILTER two');
  const b = await server.bob('INBOX');
  await b.send('SEARCH FILTER on-the-road').no('UNDEFINED-FILTER on-the-road');
});

test('filters name others, but not without end, and never more than a search may have', async () => {
  await using server = await openImapServer();
  const a = await opened(server);
  await keep(a, 'f1', 'SMALLER 5000').ok();
  for (const level of [2, 3, 4, 5, 6]) await keep(a, `f${level}`, `(FILTER f${level - 1})`).ok();
  await a.send('SEARCH FILTER f4').tells('* SEARCH 1 3');
  await a.send('SEARCH FILTER f5').tells('* SEARCH 1 3');
  await a.send('SEARCH FILTER f6').no('UNDEFINED-FILTER f1');
  await keep(a, 'loop', 'FILTER loop').ok();
  await a.send('SEARCH FILTER loop').no('UNDEFINED-FILTER loop');
  const many = (key: string): string => Array.from({ length: 400 }, () => key).join(' ');
  await keep(a, 'many', many('ALL')).ok();
  await a.send('SEARCH FILTER many').tells('* SEARCH 1 2 3');
  await keep(a, 'more', many('FILTER many')).ok();
  await a.send('SEARCH FILTER more').bad();
  const nested = (key: string): string => `${'NOT ('.repeat(20)}${key}${')'.repeat(20)}`;
  await keep(a, 'deep', nested('ALL')).ok();
  await keep(a, 'deeper', nested('FILTER deep')).ok();
  await keep(a, 'deepest', nested('FILTER deeper')).ok();
  await a.send('SEARCH FILTER deeper').tells('* SEARCH 1 2 3');
  await a.send('SEARCH FILTER deepest').bad();
});

test('what is no search is not kept, and what is not there empties a result to be saved', async () => {
  await using server = await openImapServer();
  const a = await opened(server);
  for (const search of ['OR SMALLER', '', 'ALL ', '(ALL', 'ALL)', 'NONSENSE', 'SUBJECT {3}', 'FILTER a/b'])
    await keep(a, 'bad', search).no('CANNOT');
  // A literal in it would be one of another command.
  for (const literal of ['{3+}\r\nabc', '{3}\r\nabc', '{3}\nabc', '{3+}\nabc', '~{3}\nabc']) {
    const search = `SUBJECT ${literal}`;
    const value = `~{${search.length}+}\r\n${search}`;
    await a.send(`SETMETADATA "" (/private/filters/values/bad ${value})`).no('CANNOT');
  }
  await a.send('SETMETADATA INBOX (/private/filters/values/bad "OR")').ok();
  await a.send('SETMETADATA "" (/private/filters/descriptions/bad "<en>not a search")').ok();
  await a.send('SEARCH FILTER bad').no('UNDEFINED-FILTER bad');
  await a.send('SEARCH FILTER a/b').bad();
  await a.send('SEARCH FILTER').bad();
  // UTF-8 is implied (3.1).
  await keep(a, 'all', 'ALL').ok();
  await a.send('SEARCH CHARSET KOI8-R FILTER all').bad(/^BADCHARSET/);
  await a.send('SEARCH CHARSET KOI8-R ALL').no(/^BADCHARSET/);
  await a.send('SEARCH RETURN (SAVE) 1').ok();
  await a.send('SEARCH RETURN (SAVE) FILTER nowhere').no('UNDEFINED-FILTER nowhere');
  await a.send('FETCH $ (UID)').tells();
  // CONDSTORE is enabled by what is in it (RFC 7162 3.1).
  await keep(a, 'changed', 'MODSEQ 1').ok();
  assert.match(
    (await a.send('SEARCH FILTER changed').ok()).untagged.join('\n'),
    /^\* OK \[HIGHESTMODSEQ \d+\] .*\n\* SEARCH 1 2 3 \(MODSEQ \d+\)$/,
  );
});
