// Searches that go on: CONTEXT=SEARCH and CONTEXT=SORT (RFC 5267 4), and searches of many mailboxes (RFC 7377).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../../src/account/port.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';

test('UPDATE tells what comes to a result and leaves it', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('UID SEARCH RETURN (UPDATE COUNT) FLAGGED').tells('* ESEARCH (TAG "t6") UID COUNT 0');
  const b = await server.alice('INBOX');
  await b.send('STORE 2:3 +FLAGS (\\Flagged)').ok();
  await a
    .send('NOOP')
    .tells(
      '* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent))',
      '* 3 FETCH (UID 3 FLAGS (\\Flagged \\Recent))',
      '* ESEARCH (TAG "t6") UID ADDTO (0 2:3)',
    );
  await b.send('STORE 2 -FLAGS (\\Flagged)').ok();
  await a
    .send('NOOP')
    .tells('* 2 FETCH (UID 2 FLAGS (\\Recent))', '* ESEARCH (TAG "t6") UID REMOVEFROM (0 2)');
  const other = await server.alice();
  await other.append('INBOX', mail('four'), '(\\Flagged)').ok();
  await a.send('NOOP').tells('* 4 EXISTS', '* 4 RECENT', '* ESEARCH (TAG "t6") UID ADDTO (0 4)');
});

test('UPDATE by message numbers: gone before the EXPUNGE, in the order of a SORT', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['delta', 'alpha', 'charlie']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL').tells('* ESEARCH (TAG "t6") ALL 2:3,1');
  const b = await server.alice('INBOX');
  await b.send('STORE 3 +FLAGS.SILENT (\\Deleted)').ok();
  await b.send('EXPUNGE').ok();
  await a.send('NOOP').tells('* ESEARCH (TAG "t6") REMOVEFROM (2 3)', '* 3 EXPUNGE');
  const other = await server.alice();
  await other.append('INBOX', mail('bravo')).ok();
  await other.append('INBOX', mail('beta')).ok();
  await a.send('NOOP').tells('* 4 EXISTS', '* 4 RECENT', '* ESEARCH (TAG "t6") ADDTO (2 4,3)');
  await a.send('CANCELUPDATE "t6"').ok();
  await other.append('INBOX', mail('zulu')).ok();
  await a.send('NOOP').tells('* 5 EXISTS', '* 5 RECENT');
  await a.send('CANCELUPDATE "t6"').bad();
});

test('UPDATE alone is answered by its tag', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('UID SEARCH RETURN (UPDATE) FLAGGED').tells('* ESEARCH (TAG "t4") UID');
  await a.send('STORE 1 +FLAGS.SILENT (\\Flagged)').tells('* ESEARCH (TAG "t4") UID ADDTO (0 1)');
  await a.send('SEARCH RETURN (SAVE) ALL').tells();
  await a.send('SORT RETURN (UPDATE SAVE) (DATE) UTF-8 UNSEEN').tells('* ESEARCH (TAG "t7")');
});

test('UPDATE when the order of a result changes: what moved goes and comes again', async () => {
  await using harness = await openHarness();
  const account = await harness.account('alice');
  let isMixedUp = false;
  // A message that goes while the account sorts may stand anywhere.
  const mixed = new Proxy(account, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (name !== 'sort') return member.bind(target);
      return async (...given: Parameters<AccountPort['sort']>) => {
        const uids = await target.sort(...given);
        return isMixedUp ? Uint32Array.of(uids[0]!, ...uids.subarray(1).toReversed()) : uids;
      };
    },
  });
  const listener = await harness.listen(imapFor(harness, { accounts: { open: async () => mixed } }));
  using a = await ImapClient.login(listener.port, 'alice');
  for (const name of ['delta', 'alpha', 'charlie', 'beta']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  const sort = 'UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 ALL';
  await a.send(sort).tells('* ESEARCH (TAG "t7") UID ALL 2,4,3,1');
  isMixedUp = true;
  const change = '* ESEARCH (TAG "t7") UID REMOVEFROM (2 4,3,1) ADDTO (2 5,1,3:4)';
  assert.equal((await a.append('INBOX', mail('zulu')).ok()).untagged.at(-1), change);
});

test('UPDATE refuses a tag in use, and more contexts than it keeps', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  a.socket.write('X SEARCH RETURN (UPDATE COUNT) ALL\r\n');
  await a.expect('X').tells('* ESEARCH (TAG "X") COUNT 0');
  a.socket.write('X SORT RETURN (UPDATE) (DATE) UTF-8 ALL\r\n');
  await a.expect('X').bad();
  for (let count = 1; count < 8; count++) await a.send('SEARCH RETURN (UPDATE COUNT) ALL').ok();
  await a
    .send('SEARCH RETURN (UPDATE COUNT) ALL')
    .tells('* ESEARCH (TAG "t10") COUNT 0', '* NO [NOUPDATE "t10"] Too many contexts');
  await a.send('UNSELECT').ok();
  await a.send('CANCELUPDATE "X"').bad();
});

test('ESEARCH looks into several mailboxes', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE folder1').ok();
  await a.send('CREATE folder2/banana/deep').ok();
  await a.append('folder1', mail('chad')).ok();
  await a.append('folder1', mail('else')).ok();
  await a.append('folder2/banana', mail('chad two')).ok();
  await a.append('folder2/banana/deep', mail('chad three')).ok();
  const uidValidity = async (name: string): Promise<string> =>
    /UIDVALIDITY (\d+)/.exec((await a.send(`STATUS ${name} (UIDVALIDITY)`).ok()).untagged[0]!)![1]!;
  const one = await uidValidity('folder1');
  const two = await uidValidity('folder2/banana');
  const deep = await uidValidity('folder2/banana/deep');
  await a
    .send('ESEARCH IN (mailboxes "folder1" subtree "folder2") subject "chad"')
    .tells(
      `* ESEARCH (TAG "t11" MAILBOX folder1 UIDVALIDITY ${one}) UID ALL 1`,
      `* ESEARCH (TAG "t11" MAILBOX folder2/banana UIDVALIDITY ${two}) UID ALL 1`,
      `* ESEARCH (TAG "t11" MAILBOX folder2/banana/deep UIDVALIDITY ${deep}) UID ALL 1`,
    );
  await a
    .send('ESEARCH IN (subtree-one (folder2/banana)) RETURN (COUNT) 1:*')
    .tells(
      `* ESEARCH (TAG "t12" MAILBOX folder2/banana UIDVALIDITY ${two}) UID COUNT 1`,
      `* ESEARCH (TAG "t12" MAILBOX folder2/banana/deep UIDVALIDITY ${deep}) UID COUNT 1`,
    );
  await a.send('ESEARCH IN (subtree-one folder2) RETURN (COUNT) SUBJECT three').tells();
  await a.send('ESEARCH IN (personal) SUBJECT nowhere').tells();
  await a.send('ESEARCH IN (mailboxes nowhere) ALL').tells();
  await a.send('ESEARCH ALL').bad();
  await a.send('ESEARCH IN (selected) ALL').bad();
  await a.send('ESEARCH IN (selected-delayed) ALL').bad();
  await a.send('ESEARCH IN (personal) RETURN (SAVE) ALL').bad();
  await a.send('SELECT folder1').ok();
  await a
    .send('ESEARCH RETURN (MIN SAVE) ALL')
    .tells(`* ESEARCH (TAG "t21" MAILBOX folder1 UIDVALIDITY ${one}) UID MIN 1`);
  await a.send('SEARCH $').tells('* SEARCH 1');
  await a
    .send('ESEARCH IN (inboxes selected) RETURN (COUNT) ALL')
    .tells(`* ESEARCH (TAG "t23" MAILBOX folder1 UIDVALIDITY ${one}) UID COUNT 2`);
});

test('updates of an ESEARCH say of which mailbox they are (RFC 7377 2.1)', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const tag = a.write('ESEARCH RETURN (UPDATE COUNT) ALL');
  // No response for a mailbox without matches.
  await a.expect(tag).tells();
  const { untagged } = await a.append('INBOX', mail('one')).ok();
  const { code } = await a.append('INBOX', mail('two')).ok();
  const uidValidity = /^APPENDUID (\d+) 2$/.exec(code!)![1]!;
  const added = `* ESEARCH (TAG "${tag}" MAILBOX INBOX UIDVALIDITY ${uidValidity}) UID ADDTO (0 1)`;
  assert.equal(untagged.at(-1), added);
});

test('a hint alone is answered by an ESEARCH too (RFC 5267 4.2, RFC 4466 2.6.2)', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  await a.send('SEARCH RETURN (CONTEXT) ALL').tells('* ESEARCH (TAG "t3")');
  await a.send('UID SORT RETURN (CONTEXT) (DATE) UTF-8 ALL').tells('* ESEARCH (TAG "t4") UID');
  await a.send('SEARCH RETURN (CONTEXT SAVE) ALL').tells();
});
