// Two sessions on one mailbox: what each is told, and when (RFC 9051 7.5.1, 5.2; RFC 2180).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../../src/account/port.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import { setting } from './account-hosting.ts';
import { ImapClient, mail } from './imap-client.ts';
import { type ImapServer, imapFor, openImapServer } from './imap-server.ts';

/** Alice twice in an INBOX with messages 1…count. */
async function twoSessions(count: number): Promise<{ server: ImapServer; a: ImapClient; b: ImapClient }> {
  const server = await openImapServer();
  const a = await server.alice();
  for (let number = 1; number <= count; number++) await a.append('INBOX', mail(`m${number}`)).ok();
  await a.send('SELECT INBOX').ok();
  const b = await server.alice('INBOX');
  return { server, a, b };
}

/** A host that dies may take with it who was told of a message, which is \Recent once more then (recent-claims.ts). */
function counted(lines: readonly string[]): readonly string[] {
  return setting === 'moving' ? lines.map((line) => line.replace(/^\* \d+ RECENT$/, '* 1 RECENT')) : lines;
}

test('new messages are told at the end of any command', async () => {
  const { server, a, b } = await twoSessions(1);
  await using _ = server;
  await a.append('INBOX', mail('new')).tells('* 2 EXISTS', '* 2 RECENT');
  const { untagged } = await b.send('FETCH 1 UID').ok();
  assert.deepEqual(untagged.slice(0, 2), ['* 1 FETCH (UID 1)', '* 2 EXISTS']);
  await b.send('NOOP').tells();
  await a.send('NOOP').tells();
  await b.send('FETCH 2 UID').tells('* 2 FETCH (UID 2)');
});

test('flags that another session sets are told, own ones are not told twice', async () => {
  const { server, a, b } = await twoSessions(2);
  await using _ = server;
  await a.send('STORE 1 +FLAGS (\\Seen)').tells('* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))');
  await a.send('STORE 2 +FLAGS.SILENT (\\Flagged)').tells();
  await a.send('NOOP').tells();
  await b.send('NOOP').tells('* 1 FETCH (UID 1 FLAGS (\\Seen))', '* 2 FETCH (UID 2 FLAGS (\\Flagged))');
  await b.send('NOOP').tells();
  await b.send('STORE 1 FLAGS (\\Answered)').tells('* 1 FETCH (UID 1 FLAGS (\\Answered))');
  await a.send('UID FETCH 2 UID').tells('* 2 FETCH (UID 2)', '* 1 FETCH (UID 1 FLAGS (\\Answered \\Recent))');
});

test('.SILENT does not hide what others changed', async () => {
  const { server, a, b } = await twoSessions(1);
  await using _ = server;
  await b.send('STORE 1 +FLAGS (\\Flagged)').ok();
  await a.send('STORE 1 +FLAGS.SILENT (\\Seen)').tells('* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent))');
  await a.send('NOOP').tells();
});

test('.SILENT does not hide what others change meanwhile', async () => {
  const { server, b } = await twoSessions(1);
  await using _ = server;
  const { promise: isTold, resolve: begun } = Promise.withResolvers<void>();
  const { promise: mayStore, resolve: goOn } = Promise.withResolvers<void>();
  const waiting = async (accountId: AccountId): Promise<AccountPort> => {
    const port = await server.harness.accounts.open(accountId);
    const storeFlags: AccountPort['storeFlags'] = async (options) => {
      begun();
      await mayStore;
      return port.storeFlags(options);
    };
    return new Proxy(port, {
      get(target, name) {
        if (name === 'storeFlags') return storeFlags;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  };
  const listener = await server.harness.listen(imapFor(server.harness, { accounts: { open: waiting } }));
  using slow = await ImapClient.login(listener.port, 'alice', 'INBOX');
  const tag = slow.write('STORE 1 +FLAGS.SILENT (\\Seen)');
  await isTold;
  await b.send('STORE 1 +FLAGS (\\Flagged)').ok();
  goOn();
  await slow.expect(tag).tells('* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))');
});

test('a new keyword is announced before it is used', async () => {
  const { server, a, b } = await twoSessions(1);
  await using _ = server;
  const known = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';
  await a.send('STORE 1 +FLAGS ($New)').ok();
  await b
    .send('NOOP')
    .tells(
      `* FLAGS (${known} $New)`,
      `* OK [PERMANENTFLAGS (${known} $New \\*)] Flags permitted`,
      '* 1 FETCH (UID 1 FLAGS ($New))',
    );
  // Also when the client asks before it was told.
  await a.send('STORE 1 +FLAGS ($Newer)').ok();
  const { untagged } = await b.send('FETCH 1 FLAGS').ok();
  assert.deepEqual(untagged.slice(0, 3), [
    `* FLAGS (${known} $New $Newer)`,
    `* OK [PERMANENTFLAGS (${known} $New $Newer \\*)] Flags permitted`,
    '* 1 FETCH (FLAGS ($New $Newer))',
  ]);
});

test('EXPUNGE waits while message numbers are in use, and numbers stay', async () => {
  const { server, a, b } = await twoSessions(4);
  await using _ = server;
  await a.send('STORE 1,3 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').tells('* 1 EXPUNGE', '* 2 EXPUNGE');
  // FETCH answers what it can, with the numbers that b knows; gone ones are EXPUNGEISSUED.
  const fetched = await b.send('FETCH 1:4 UID').no('EXPUNGEISSUED');
  assert.deepEqual(fetched.untagged, ['* 2 FETCH (UID 2)', '* 4 FETCH (UID 4)']);
  await b.send('FETCH 4 UID').tells('* 4 FETCH (UID 4)');
  await b.send('SEARCH ALL').tells('* SEARCH 2 4');
  await b.send('STORE 1 +FLAGS (\\Seen)').no('EXPUNGEISSUED');
  await b.send('COPY 1,2 Trash').no('EXPUNGEISSUED');
  await b.send('NOOP').tells();
});

test('EXPUNGE is told by every other command, UID FETCH included', async () => {
  for (const command of [
    'NOOP',
    'CHECK',
    'UID FETCH 9 FLAGS',
    'UID SEARCH UID 9',
    'UID STORE 9 FLAGS ()',
    'LIST "" ""',
    'EXPUNGE',
  ]) {
    const { server, a, b } = await twoSessions(3);
    await using _ = server;
    await a.send('STORE 2 +FLAGS.SILENT (\\Deleted)').ok();
    await a.send('EXPUNGE').ok();
    const { untagged } = await b.send(command).ok();
    assert.equal(untagged.at(-1), '* 2 EXPUNGE', command);
    await b.send('FETCH 2 UID').tells('* 2 FETCH (UID 3)');
  }
});

test('a message that came and went between two tells is never told', async () => {
  const { server, a, b } = await twoSessions(1);
  await using _ = server;
  await a.append('INBOX', mail('short'), '(\\Deleted)').ok();
  await a.send('EXPUNGE').tells('* 2 EXPUNGE');
  const other = await server.alice();
  await other.append('INBOX', mail('long')).ok();
  assert.deepEqual(counted((await b.send('NOOP').ok()).untagged), ['* 2 EXISTS', '* 1 RECENT']);
  await b.send('FETCH 1:* UID').tells('* 1 FETCH (UID 1)', '* 2 FETCH (UID 3)');
});

test('held expunges and new messages together keep the numbers', async () => {
  const { server, a, b } = await twoSessions(3);
  await using _ = server;
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  const other = await server.alice();
  await other.append('INBOX', mail('new')).ok();
  const { untagged } = await b.send('FETCH 2 UID').ok();
  assert.deepEqual(counted(untagged), ['* 2 FETCH (UID 2)', '* 4 EXISTS', '* 1 RECENT']);
  await b.send('FETCH 4 UID').tells('* 4 FETCH (UID 4)');
  await b.send('NOOP').tells('* 1 EXPUNGE');
  await b.send('FETCH 1:* UID').tells('* 1 FETCH (UID 2)', '* 2 FETCH (UID 3)', '* 3 FETCH (UID 4)');
});

test('IDLE pushes as things happen', async () => {
  const { server, a, b } = await twoSessions(2);
  await using _ = server;
  const done = await b.idle();
  const other = await server.alice();
  await other.append('INBOX', mail('new')).ok();
  assert.equal(await b.line(), '* 3 EXISTS');
  assert.deepEqual(counted([(await b.line())!]), ['* 1 RECENT']);
  await a.send('STORE 1 +FLAGS (\\Deleted)').ok();
  assert.equal(await b.line(), '* 1 FETCH (UID 1 FLAGS (\\Deleted))');
  await a.send('EXPUNGE').ok();
  assert.equal(await b.line(), '* 1 EXPUNGE');
  await done().tells();
  await b.send('FETCH 1:* UID').tells('* 1 FETCH (UID 2)', '* 2 FETCH (UID 3)');
});

test('IDLE tells at once what happened before it, works without a mailbox, and minds DONE', async () => {
  const { server, b } = await twoSessions(1);
  await using _ = server;
  const other = await server.alice();
  await other.append('INBOX', mail('new')).ok();
  const done = await b.idle();
  assert.equal(await b.line(), '* 2 EXISTS');
  assert.deepEqual(counted([(await b.line())!]), ['* 1 RECENT']);
  await done().tells();
  await b.send('UNSELECT').ok();
  const idling = await b.idle();
  await idling().ok();
  const tag = b.write('IDLE');
  assert.equal(await b.line(), '+ idling');
  b.socket.send('NOOP');
  await b.expect(tag).bad();
  await b.send('NOOP').ok();
});

test('deliveries from elsewhere are pushed too', async () => {
  const { server, b } = await twoSessions(0);
  await using _ = server;
  await b.idle();
  const other = await server.alice();
  await other.append('INBOX', mail('one')).ok();
  assert.equal(await b.line(), '* 1 EXISTS');
});

test('MOVE tells COPYUID first, then EXPUNGE, and the target gets EXISTS', async () => {
  const { server, a, b } = await twoSessions(3);
  await using _ = server;
  await b.send('SELECT Trash').ok();
  const moved = await a.send('MOVE 1,3 Trash').ok();
  assert.match(moved.untagged[0]!, /^\* OK \[COPYUID \d+ 1,3 1:2\] Moved$/);
  assert.deepEqual(moved.untagged.slice(1), ['* 1 EXPUNGE', '* 2 EXPUNGE']);
  await b.send('NOOP').tells('* 2 EXISTS', '* 2 RECENT');
  await a.send('FETCH 1:* UID').tells('* 1 FETCH (UID 2)');
});

test('\\Recent goes to one session only', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.send('EXAMINE INBOX').ok();
  await a.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Recent))');
  await a.send('SELECT INBOX').ok();
  await a.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Recent))');
  await a.send('SEARCH RECENT').tells('* SEARCH 1');
  const b = await server.alice('INBOX');
  await b.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS ())');
  await b.send('SEARCH RECENT').tells('* SEARCH');
  await b.send('SEARCH OLD').tells('* SEARCH 1');
});

test('a COPY into the selected mailbox itself is told', async () => {
  const { server, a } = await twoSessions(1);
  await using _ = server;
  await a.send('COPY 1 INBOX').tells('* 2 EXISTS', '* 2 RECENT');
});

test('a client that does not read holds up the server, not its memory', async () => {
  const { server, a } = await twoSessions(0);
  await using _ = server;
  const text = mail('big', 'All work and no play makes a dull boy\r\n'.repeat(20_000));
  for (let count = 0; count < 40; count++) await a.append('Archive', text).ok();
  let readBytes = 0;
  const counted = async (accountId: AccountId): Promise<AccountPort> => {
    const port = await server.harness.accounts.open(accountId);
    const read = port.readMessages.bind(port);
    port.readMessages = async (...call) => {
      const messages = await read(...call);
      for (const { bytes } of messages) readBytes += bytes?.length ?? 0;
      return messages;
    };
    return port;
  };
  const listener = await server.harness.listen(imapFor(server.harness, { accounts: { open: counted } }));
  using slow = await ImapClient.login(listener.port, 'alice', 'Archive');
  slow.socket.socket.pause();
  const tag = slow.write('FETCH 1:* BODY.PEEK[]');
  // Another session's commands all run meanwhile, many turns of the event loop.
  const b = await server.alice('INBOX');
  for (let count = 0; count < 200; count++) await b.send('NOOP').ok();
  assert.ok(readBytes > 0 && readBytes < 20 * text.length, `${readBytes} bytes were read`);
  slow.socket.socket.resume();
  const { untagged } = await slow.expect(tag).ok();
  assert.equal(untagged.length, 40);
  assert.equal(readBytes, 40 * text.length);
});
