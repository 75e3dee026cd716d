// What CAPABILITY says in each state: all that is there, nothing that is not, and before the login only what may be used then
// (RFC 9051 6.1.1). Each name stands for an RFC, of which the index of RFCs must say that it is done.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openHarness, password } from './harness.ts';
import { ImapClient } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';

/** By the number of the RFC. */
const always: Readonly<Record<number, readonly string[]>> = {
  2971: ['ID'],
  3501: ['IMAP4rev1'],
  4959: ['SASL-IR'],
  5161: ['ENABLE'],
  7888: ['LITERAL+'],
  9051: ['IMAP4rev2'],
};
const afterLogin: Readonly<Record<number, readonly string[]>> = {
  2177: ['IDLE'],
  2342: ['NAMESPACE'],
  3348: ['CHILDREN'],
  3502: ['MULTIAPPEND'],
  3516: ['BINARY'],
  3691: ['UNSELECT'],
  4314: ['ACL', 'RIGHTS=texk'],
  4315: ['UIDPLUS'],
  4469: ['CATENATE'],
  4731: ['ESEARCH'],
  4978: ['COMPRESS=DEFLATE'],
  5032: ['WITHIN'],
  5182: ['SEARCHRES'],
  5255: ['I18NLEVEL=1'],
  5256: ['SORT', 'THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES', 'THREAD=REFS'],
  5258: ['LIST-EXTENDED'],
  5267: ['CONTEXT=SEARCH', 'CONTEXT=SORT', 'ESORT'],
  5464: ['METADATA'],
  5465: ['NOTIFY'],
  5466: ['FILTERS'],
  5819: ['LIST-STATUS'],
  5957: ['SORT=DISPLAY'],
  6154: ['SPECIAL-USE', 'CREATE-SPECIAL-USE'],
  6203: ['SEARCH=FUZZY'],
  6851: ['MOVE'],
  6855: ['UTF8=ACCEPT'],
  7162: ['CONDSTORE', 'QRESYNC'],
  7377: ['MULTISEARCH'],
  7889: ['APPENDLIMIT=52428800'],
  8437: ['UNAUTHENTICATE'],
  8438: ['STATUS=SIZE'],
  8440: ['LIST-MYRIGHTS'],
  8474: ['OBJECTID'],
  8508: ['REPLACE'],
  8514: ['SAVEDATE'],
  8970: ['PREVIEW'],
  9208: ['QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE', 'QUOTASET'],
  9394: ['PARTIAL'],
  9585: ['INPROGRESS'],
  9586: ['UIDONLY'],
  9590: ['LIST-METADATA'],
  9738: ['MESSAGELIMIT=2000'],
};

const names = (byRfc: Readonly<Record<number, readonly string[]>>): string[] => Object.values(byRfc).flat();

async function told(client: ImapClient): Promise<string[]> {
  const { untagged } = await client.send('CAPABILITY').ok();
  return untagged[0]!.split(' ').slice(2).sort();
}

test('before the login and behind it', async () => {
  await using server = await openImapServer({ messagesMax: 2000 });
  const a = await server.connect();
  const before = [...names(always), 'AUTH=SCRAM-SHA-256', 'AUTH=PLAIN', 'AUTH=LOGIN'].sort();
  const after = [...names(always), ...names(afterLogin)].sort();
  assert.deepEqual(await told(a), before);
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  assert.deepEqual(await told(a), after);
  await a.send('SELECT INBOX').ok();
  assert.deepEqual(await told(a), after);
  await a.send('UNAUTHENTICATE').ok();
  assert.deepEqual(await told(a), before);
});

test('LOGINDISABLED and STARTTLS in the clear, -PLUS behind TLS, SETQUOTA only where there is an administration', async () => {
  await using harness = await openHarness();
  const protocol = imapFor(harness, {
    offersTls: true,
    allowCleartextLogin: false,
    administration: undefined,
  });
  const listener = await harness.listen(protocol, 'starttls');
  using a = await ImapClient.connect(listener.port);
  assert.deepEqual(await told(a), [...names(always), 'STARTTLS', 'LOGINDISABLED'].sort());
  await a.send('STARTTLS').ok();
  await a.socket.startTls();
  const mechanisms = ['AUTH=SCRAM-SHA-256-PLUS', 'AUTH=SCRAM-SHA-256', 'AUTH=PLAIN', 'AUTH=LOGIN'];
  assert.deepEqual(await told(a), [...names(always), ...mechanisms].sort());
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  const missing = new Set(['QUOTASET', 'MESSAGELIMIT=2000']);
  const after = [...names(always), ...names(afterLogin)].filter((name) => !missing.has(name));
  assert.deepEqual(await told(a), after.sort());
});

test('an operator may do without UNAUTHENTICATE (RFC 8437 section 8)', async () => {
  await using server = await openImapServer({}, { allowsUnauthenticate: false });
  const a = await server.alice('INBOX');
  assert(!(await told(a)).includes('UNAUTHENTICATE'));
  await a.send('UNAUTHENTICATE').bad();
  await a.send('CHECK').ok();
});

test('what is told is done', () => {
  const rows = readFileSync(new URL('../../rfc/index.tsv', import.meta.url), 'utf8').split('\n');
  const status = new Map(
    rows.map((row) => row.split('\t')).map(([number, , done]) => [Number(number), done]),
  );
  for (const number of Object.keys({ ...always, ...afterLogin }))
    assert.match(status.get(Number(number)) ?? 'missing', /^(yes|partial)$/, `RFC ${number}`);
});
