// A mailbox has room for 59 keywords; a new one takes the place of one that no message has. Whatever a session was told
// before, and whenever it asks, flags have their right names, and FLAGS comes before a name that is new (RFC 9051 7.3.5).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../../src/account/port.ts';
import { keywordsMax } from '../../src/mail/flags.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import { CachingClient } from './caching-client.ts';
import { ImapClient, mail } from './imap-client.ts';
import { type ImapServer, imapFor, openImapServer } from './imap-server.ts';

const system = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';
const old = Array.from({ length: keywordsMax }, (_, index) => `old${index}`);

const flagsTold = (keywords: readonly string[]): string[] => [
  `* FLAGS (${system} ${keywords.join(' ')})`,
  `* OK [PERMANENTFLAGS (${system} ${keywords.join(' ')} \\*)] Flags permitted`,
];

/** Three messages in INBOX, the first with all keywords there can be, and a client that has it selected. */
async function fullMailbox(): Promise<{ server: ImapServer; a: ImapClient }> {
  const server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  await a.send(`STORE 1 FLAGS.SILENT (${old.join(' ')})`).tells(...flagsTold(old));
  return { server, a };
}

/** A session whose calls of one method of its account meet something else in between. */
async function disturbed(
  server: ImapServer,
  method: 'columns' | 'storeFlags' | 'changesSince',
  between: { readonly before?: () => Promise<unknown>; readonly after?: () => Promise<unknown> },
): Promise<ImapClient> {
  const open = async (accountId: AccountId): Promise<AccountPort> => {
    const port = await server.harness.accounts.open(accountId);
    return new Proxy(port, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (name !== method) return member.bind(target);
        return async (...given: unknown[]): Promise<unknown> => {
          await between.before?.();
          const answer: unknown = await member.apply(target, given);
          await between.after?.();
          return answer;
        };
      },
    });
  };
  const listener = await server.harness.listen(imapFor(server.harness, { accounts: { open } }));
  return ImapClient.login(listener.port, 'alice');
}

/** The first time it is called. */
function once(perform: () => Promise<unknown>): () => Promise<unknown> {
  let isDone = false;
  return async () => {
    if (isDone) return;
    isDone = true;
    await perform();
  };
}

test('only when all keywords are in use a new one is refused', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  await a.send('STORE 2 +FLAGS (new)').no('LIMIT');
  await a.append('INBOX', mail('more'), '(new)').no('LIMIT');
  await a.send('STORE 1 -FLAGS.SILENT (OLD7 old58)').ok();
  const now = old.with(7, 'new').with(58, '$Other');
  await a
    .send('STORE 2 +FLAGS (new)')
    .tells(...flagsTold(old.with(7, 'new')), '* 2 FETCH (UID 2 FLAGS (new \\Recent))');
  await a.append('INBOX', mail('more'), '($Other)').ok();
  const { untagged } = await a.send('FETCH 4 FLAGS').ok();
  assert.deepEqual(untagged, ['* 4 FETCH (FLAGS ($Other \\Recent))']);
  await a.send('STORE 2 +FLAGS (old7)').no('LIMIT');
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 FLAGS.SILENT ()').ok();
  await a
    .send('STORE 3 +FLAGS (old7)')
    .tells(...flagsTold(now.with(0, 'old7')), '* 3 FETCH (UID 3 FLAGS (old7))');
  await a.send('SEARCH KEYWORD old7').tells('* SEARCH 3');
  await a.send('SEARCH KEYWORD old0').tells('* SEARCH');
});

test('a session that was not told yet learns the names before it is told flags, the same bits under a new name too', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  const b = await server.alice('INBOX');
  await b.send('UID SEARCH RETURN (UPDATE) KEYWORD old0').ok();
  await b.send('FETCH 1 FLAGS').tells(`* 1 FETCH (FLAGS (${old.join(' ')}))`);
  const idling = await server.alice('INBOX');
  await a.send(`STORE 1 -FLAGS.SILENT (${old.join(' ')})`).ok();
  const done = await idling.idle();
  await a.send('STORE 1 +FLAGS.SILENT (new0 new1)').ok();
  const names = old.with(0, 'new0').with(1, 'new1');
  const answer = await b.send('NOOP').ok();
  assert.deepEqual(answer.untagged.slice(0, 3), [...flagsTold(names), '* 1 FETCH (UID 1 FLAGS (new0 new1))']);
  assert.match(answer.untagged[3]!, /REMOVEFROM \(0 1\)/);
  // Whatever of it was told when idling began.
  for (;;) {
    const line = await idling.line();
    if (line === '* 1 FETCH (UID 1 FLAGS (new0 new1))') break;
    assert.match(line!, /^\* (FLAGS |OK \[PERMANENTFLAGS |1 FETCH \(UID 1 FLAGS \(\)\))/);
  }
  await done().ok();
  // And when it asks before it was told.
  await a.send('STORE 1 FLAGS.SILENT ()').ok();
  await a.send('STORE 2,3 FLAGS.SILENT (newer)').ok();
  const asked = await b.send('FETCH 1:3 FLAGS').ok();
  assert.deepEqual(asked.untagged.slice(0, 5), [
    ...flagsTold(names.with(0, 'newer')),
    '* 1 FETCH (FLAGS ())',
    '* 2 FETCH (FLAGS (newer))',
    '* 3 FETCH (FLAGS (newer))',
  ]);
  await b.send('NOOP').tells();
  await a.send('STORE 2 FLAGS.SILENT ()').ok();
  await a.send('STORE 3 FLAGS.SILENT ($Last)').ok();
  await b
    .send('STORE 2 +FLAGS ($Last)')
    .tells(
      ...flagsTold(names.with(0, 'newer').with(1, '$Last')),
      '* 2 FETCH (UID 2 FLAGS ($Last))',
      '* 3 FETCH (UID 3 FLAGS ($Last))',
    );
});

test('clients that resynchronise, and those that are told as it happens, end with the right names', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  const cached = new CachingClient(server.port, 'alice');
  await cached.synchronise(0);
  assert.equal(cached.mailbox.get(1)!.split(' ').length, keywordsMax);
  cached.cut();
  await a.send('STORE 1 FLAGS.SILENT ()').ok();
  await a.send('STORE 1:2 +FLAGS.SILENT (a b)').ok();
  const expected = new Map([
    [1, 'a b'],
    [2, 'a b'],
    [3, ''],
  ]);
  await cached.synchronise(0);
  assert.deepEqual(cached.mailbox, expected);
  await a.send('STORE 1:2 -FLAGS.SILENT (a b)').ok();
  await a.send('STORE 1 +FLAGS.SILENT (c)').ok();
  await cached.command('NOOP');
  assert.deepEqual(cached.mailbox, new Map([...expected, [1, 'c'], [2, '']]));
  cached.cut();
});

test('names change between what a FETCH reads and what it sets', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  await a.send('STORE 1 FLAGS.SILENT (\\Seen old0 old1)').ok();
  const rename = once(async () => {
    await a.send('STORE 1 -FLAGS.SILENT (old0)').ok();
    await a.send('STORE 3 +FLAGS.SILENT (thief)').ok();
  });
  using b = await disturbed(server, 'storeFlags', { before: rename });
  await b.send('SELECT INBOX').ok();
  const { untagged } = await b.send('FETCH 1:3 (FLAGS BODY[HEADER.FIELDS (X-None)])').ok();
  const names = old.with(0, 'thief');
  const body = 'BODY[HEADER.FIELDS (X-None)] {2}\r\n\r\n';
  assert.deepEqual(untagged.slice(0, 5), [
    ...flagsTold(names),
    `* 1 FETCH (FLAGS (\\Seen old1) ${body})`,
    `* 2 FETCH (FLAGS (\\Seen) ${body})`,
    `* 3 FETCH (FLAGS (\\Seen thief) ${body})`,
  ]);
});

test('names change while a FETCH has read the flags', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  await a.send('STORE 1 FLAGS.SILENT (old0)').ok();
  const rename = once(async () => {
    await a.send('STORE 1 FLAGS.SILENT ()').ok();
    await a.send('STORE 1 FLAGS.SILENT (new)').ok();
  });
  using b = await disturbed(server, 'columns', { after: rename });
  await b.send('SELECT INBOX').ok();
  const { untagged } = await b.send('FETCH 1 FLAGS').ok();
  assert.equal(untagged[0], '* 1 FETCH (FLAGS (old0))');
  // What came since is told now, or was told behind it.
  const later = [...untagged.slice(1), ...(await b.send('NOOP').ok()).untagged];
  assert.deepEqual(later, [...flagsTold(old.with(0, 'new')), '* 1 FETCH (UID 1 FLAGS (new))']);
});

test('names change while a SELECT resynchronises', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  const opened = (await a.send('SELECT INBOX').ok()).untagged.join('\n');
  const [uidValidity, modSeq] = ['UIDVALIDITY', 'HIGHESTMODSEQ'].map(
    (name) => new RegExp(`${name} (\\d+)`).exec(opened)![1],
  );
  await a.send('STORE 1 FLAGS.SILENT ()').ok();
  const rename = once(() => a.send('STORE 2 FLAGS.SILENT (new)').ok());
  using b = await disturbed(server, 'changesSince', { before: rename });
  await b.send('ENABLE QRESYNC').ok();
  const { untagged } = await b.send(`SELECT INBOX (QRESYNC (${uidValidity} ${modSeq}))`).ok();
  assert.deepEqual(untagged.slice(0, 2), flagsTold(old));
  const told = untagged.slice(untagged.findLastIndex((line) => line.startsWith('* FLAGS')));
  assert.deepEqual(told.slice(0, 2), flagsTold(old.with(0, 'new')));
  assert.match(told[2]!, /^\* 1 FETCH \(UID 1 FLAGS \(\) /);
  assert.match(told[3]!, /^\* 2 FETCH \(UID 2 FLAGS \(new\) /);
});

test('copies take places by name, within an account and into another', async () => {
  const { server, a } = await fullMailbox();
  await using _ = server;
  await a.send('STORE 1 FLAGS.SILENT (old3)').ok();
  await a.append('Archive', mail('there'), '($Fun old3 OLD5)').ok();
  const other = await server.alice('Archive');
  await other.send('COPY 1 INBOX').ok();
  await a.send('NOOP').ok();
  await a.send('FETCH 4 FLAGS').tells('* 4 FETCH (FLAGS ($Fun old3 old5 \\Recent))');
  // Names change while a copy into bob's mailbox, which is full as well, has read the flags.
  const bob = await server.bob('INBOX');
  await bob.append('INBOX', mail('full'), `(${old.join(' ')})`).ok();
  await bob.send('STORE 1 FLAGS.SILENT (old5)').ok();
  await bob.send('SETACL INBOX alice lrswi').ok();
  const rename = once(async () => {
    await a.send('STORE 4 FLAGS.SILENT ()').ok();
    await a.send('STORE 4 FLAGS.SILENT (thief)').ok();
  });
  using b = await disturbed(server, 'columns', { after: rename });
  await b.send('SELECT INBOX').ok();
  await b.send('COPY 4 "Other Users/bob@example.test/INBOX"').ok();
  await bob.send('NOOP').ok();
  await bob
    .send('FETCH 1:2 FLAGS')
    .tells('* 1 FETCH (FLAGS (old5 \\Recent))', '* 2 FETCH (FLAGS ($Fun old3 old5 \\Recent))');
  await a.send('FETCH 4 FLAGS').tells('* 4 FETCH (FLAGS (thief \\Recent))');
});
