// MESSAGELIMIT (RFC 9738): commands about more messages than one may work on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type ImapClient, mail, type Sent } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

/** Alice with six messages, of which a command works on three. The first UID is 2, so that numbers are not UIDs. */
async function opened(server: ImapServer): Promise<ImapClient> {
  const a = await server.alice('INBOX');
  for (const subject of ['gone', 'b', 'c', 'd', 'e', 'f', 'g']) await a.append('INBOX', mail(subject)).ok();
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  return a;
}

const limit = { messagesMax: 3 };

/** Of a command that did all of it. */
async function whole(sent: Sent): Promise<Answer> {
  const answer = await sent.ok();
  assert.equal(answer.code, undefined);
  return answer;
}

test('MESSAGELIMIT is told where there is a limit, after the login', async () => {
  await using server = await openImapServer(limit);
  const a = await server.connect();
  assert.doesNotMatch(a.greeting, /MESSAGELIMIT/);
  await a.send('LOGIN alice@example.test "correct horse"').ok(/ MESSAGELIMIT=3( |$)/);
  await using unlimited = await openImapServer();
  const b = await unlimited.alice();
  assert.doesNotMatch((await b.send('CAPABILITY').ok()).untagged[0]!, /MESSAGELIMIT/);
});

test('FETCH and STORE work on the highest UIDs and tell down to which', async () => {
  await using server = await openImapServer(limit);
  const a = await opened(server);
  assert.deepEqual((await a.send('FETCH 1:6 (UID)').ok('MESSAGELIMIT 3 5')).untagged, [
    '* 4 FETCH (UID 5)',
    '* 5 FETCH (UID 6)',
    '* 6 FETCH (UID 7)',
  ]);
  // The client goes on below, until nothing is left out.
  await whole(a.send('UID FETCH 1:4 (UID)'));
  await a.send('UID FETCH 1:4 (UID)').tells('* 1 FETCH (UID 2)', '* 2 FETCH (UID 3)', '* 3 FETCH (UID 4)');
  await a.send('FETCH 1,3,5 (UID)').tells('* 1 FETCH (UID 2)', '* 3 FETCH (UID 4)', '* 5 FETCH (UID 6)');
  // A page is not cut, however many messages there are for it (RFC 9738 3.1).
  for (const page of ['1:4', '-4:-1', '7:10', '1:4294967295'])
    assert.deepEqual(
      (await a.send(`UID FETCH 1:* (UID) (PARTIAL ${page})`).no('MESSAGELIMIT 3')).untagged,
      [],
    );
  assert.equal((await whole(a.send('UID FETCH 1:* (UID) (PARTIAL -1:-3)'))).untagged.length, 3);
  assert.deepEqual((await a.send('UID STORE 1:* +FLAGS (\\Seen)').ok('MESSAGELIMIT 3 5')).untagged, [
    '* 4 FETCH (UID 5 FLAGS (\\Seen \\Recent))',
    '* 5 FETCH (UID 6 FLAGS (\\Seen \\Recent))',
    '* 6 FETCH (UID 7 FLAGS (\\Seen \\Recent))',
  ]);
  await a.send('SEARCH SEEN').tells('* SEARCH 4 5 6');
  // MODIFIED stays in the tagged answer (RFC 7162 3.1.3).
  const conditional = await a.send('UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\\Seen)').ok('MODIFIED 5:7');
  assert.match(conditional.untagged.at(-1)!, /^\* NO \[MESSAGELIMIT 3 5\] /);
});

test('COPY and APPEND do all or nothing, MOVE and UID EXPUNGE a part', async () => {
  await using server = await openImapServer(limit);
  const a = await opened(server);
  await a.send('CREATE there').ok();
  // With the lowest of those that could be copied at once.
  await a.send('UID COPY 1:* there').no('MESSAGELIMIT 3 5');
  await a.send('COPY 1:4 there').no('MESSAGELIMIT 3 3');
  await a.send('COPY 1:3 there').ok(/^COPYUID \d+ 2:4 1:3$/);
  const one = '{3+}\r\nabc';
  await a.send(`APPEND there ${one} ${one} ${one} ${one}`).no('MESSAGELIMIT 3');
  await a.send('STATUS there (MESSAGES)').tells('* STATUS there (MESSAGES 3)');
  const moved = await a.send('UID MOVE 1:* there').ok('MESSAGELIMIT 3 5');
  assert.match(moved.untagged[0]!, /^\* OK \[COPYUID \d+ 5:7 4:6\] /);
  assert.deepEqual(moved.untagged.slice(1), ['* 4 EXPUNGE', '* 4 EXPUNGE', '* 4 EXPUNGE']);
  // Of those named, there is something to do about four.
  await a.send('SELECT there').ok();
  await a.send('UID STORE 1:3 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('UID STORE 5 +FLAGS.SILENT (\\Deleted)').ok();
  const expunged = await a.send('UID EXPUNGE 1:6').ok('MESSAGELIMIT 3 2');
  assert.deepEqual(expunged.untagged, ['* 2 EXPUNGE', '* 2 EXPUNGE', '* 3 EXPUNGE']);
  await a.send('UID EXPUNGE 1:1').tells('* 1 EXPUNGE');
  await a.append('there', mail('more')).ok();
  await a.append('there', mail('more')).ok();
  await a.send('UID EXPUNGE 1:*').tells();
});

test('EXPUNGE and CLOSE have no limit, and CONDSTORE hears of its mod-sequence in the tagged answer', async () => {
  await using server = await openImapServer(limit);
  const a = await opened(server);
  await a.send('ENABLE CONDSTORE').ok();
  await a.send('UID STORE 1:4 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('UID STORE 5:7 +FLAGS.SILENT (\\Deleted)').ok();
  const expunged = await a.send('UID EXPUNGE 1:*').ok(/^HIGHESTMODSEQ /);
  assert.match(expunged.untagged[0]!, /^\* NO \[MESSAGELIMIT 3 5\] /);
  for (let at = 0; at < 2; at++) await a.append('INBOX', mail('more')).ok();
  await a.send('STORE 4:5 +FLAGS.SILENT (\\Deleted)').ok();
  assert.equal((await a.send('EXPUNGE').ok(/^HIGHESTMODSEQ /)).untagged.length, 5);
});

test('SEARCH tells and saves the highest, SORT and THREAD of too many are refused', async () => {
  await using server = await openImapServer(limit);
  const a = await opened(server);
  assert.deepEqual((await a.send('SEARCH ALL').ok('MESSAGELIMIT 3 5')).untagged, ['* SEARCH 4 5 6']);
  const found = await a.send('UID SEARCH RETURN (MIN COUNT ALL SAVE) UNDELETED').ok('MESSAGELIMIT 3 5');
  assert.match(found.untagged[0]!, / UID MIN 5 COUNT 3 ALL 5:7$/);
  // RFC 5182: what was told is what is saved.
  await a.send('UID FETCH $ (UID)').tells('* 4 FETCH (UID 5)', '* 5 FETCH (UID 6)', '* 6 FETCH (UID 7)');
  // Numbers are told of all.
  assert.match((await whole(a.send('UID SEARCH RETURN (MIN MAX COUNT) ALL'))).untagged[0]!, / COUNT 6$/);
  const pages = 'UID SEARCH RETURN (PARTIAL';
  assert.match((await whole(a.send(`${pages} 4:6) ALL`))).untagged[0]!, / PARTIAL \(4:6 5:7\)$/);
  await a.send(`${pages} 1:4) ALL`).no('MESSAGELIMIT 3');
  await a.send('SORT (SUBJECT) UTF-8 ALL').no('MESSAGELIMIT 3');
  await a.send('SORT (SUBJECT) UTF-8 1:3').tells('* SORT 1 2 3');
  await a.send('SORT RETURN (PARTIAL 1:2) (REVERSE SUBJECT) UTF-8 ALL').ok();
  await a.send('THREAD REFERENCES UTF-8 ALL').no('MESSAGELIMIT 3');
  await a.send('THREAD REFERENCES UTF-8 1:3').ok();
  await a.send('ESEARCH IN (personal) ALL').no('MESSAGELIMIT 3');
  await a.send('SEARCH RETURN (SAVE) 1').ok();
  await a.send('ESEARCH RETURN (SAVE) ALL').no('MESSAGELIMIT 3');
  await a.send('FETCH $ (UID)').tells();
  await whole(a.send('ESEARCH IN (personal) RETURN (COUNT) ALL'));
  // What is cut is not followed.
  const tag = a.write('SEARCH RETURN (UPDATE ALL) ALL');
  const refused = await a.expect(tag).ok('MESSAGELIMIT 3 5');
  assert.match(refused.untagged.at(-1)!, new RegExp(`^\\* NO \\[NOUPDATE "${tag}"\\] `));
});

test('UIDAFTER and UIDBEFORE name no UID but those beyond', async () => {
  await using server = await openImapServer();
  const a = await opened(server);
  await a.send('UID SEARCH UIDBEFORE 5').tells('* SEARCH 2 3 4');
  await a.send('UID SEARCH UIDAFTER 5').tells('* SEARCH 6 7');
  // `8:*` would be the last message.
  await a.send('UID SEARCH UIDAFTER 7').tells('* SEARCH');
  await a.send('UID SEARCH UIDAFTER 4294967295').tells('* SEARCH');
  await a.send('UID SEARCH UIDBEFORE 1').tells('* SEARCH');
  await a.send('UID SEARCH UIDBEFORE 4294967295 UIDAFTER 1 NOT UIDAFTER 3').tells('* SEARCH 2 3');
  await a.send('UID SEARCH UIDAFTER 0').bad();
  await a.send('UID SEARCH UIDBEFORE 4294967296').bad();
  await a.send('UID SEARCH UIDAFTER *').bad();
  await a.send('UID SEARCH UIDAFTER 1:2').bad();
});
