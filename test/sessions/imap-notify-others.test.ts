// NOTIFY (RFC 5465) of mailboxes of others and of shared ones: what is told crosses accounts, and the rights decide what.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPorts } from '../../src/account/port.ts';
import { newOperation } from '../../src/account/testing.ts';
import { systemClock } from '../../src/base/clock.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';
import { alices, sharedInbox } from './shared-inbox.ts';

const two = '(MessageNew MessageExpunge)';
const three = '(MessageNew MessageExpunge FlagChange)';
const names = '(MailboxName)';

/** Nothing came between commands, and nothing comes with a NOOP. */
async function nothing(client: ImapClient): Promise<void> {
  await client.send('NOOP').tells();
}

test('messages of others’ mailboxes are told by STATUS, while they may be read', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  await a.send('CREATE Work').ok();
  await a.send('CREATE Secret').ok();
  await a.send('SETACL Work bob lr').ok();
  const b = await server.bob();
  // Names of addresses in any letter case.
  const set = await b
    .send(`NOTIFY SET STATUS (MAILBOXES ("Other Users/Alice@Example.Test/Work") ${two}) (PERSONAL ${two})`)
    .ok();
  const status = set.untagged.filter((line) => line.includes('Other Users'));
  assert.deepEqual(
    status.map((line) => line.replace(/(?<=UIDVALIDITY )\d+/, 'n')),
    [`* STATUS "${alices}/Work" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY n)`],
  );
  await a.append('INBOX', mail('not named')).ok();
  await a.append('Secret', mail('not shared')).ok();
  await a.append('Work', mail('one')).ok();
  assert.equal(await b.line(), `* STATUS "${alices}/Work" (MESSAGES 1 UIDNEXT 2)`);
  // The whole subtree, and flags.
  await b.send(`NOTIFY SET (SUBTREE "Other Users" ${three})`).ok();
  await a.append('Secret', mail('not shared')).ok();
  await a.send('SELECT Work').ok();
  await a.send('STORE 1 +FLAGS (\\Seen)').ok();
  assert.equal(await b.line(), `* STATUS "${alices}/Work" (UNSEEN 0)`);
  // 5.9: what may not be read is not told of; \NoAccess says so.
  await a.send('SETACL Work bob -r').ok();
  assert.equal(await b.line(), `* LIST (\\HasNoChildren \\NoAccess) "/" "${alices}/Work"`);
  await a.append('Work', mail('two')).ok();
  await nothing(b);
  await a.send('SETACL Work bob +r').ok();
  assert.equal(await b.line(), `* LIST (\\HasNoChildren) "/" "${alices}/Work"`);
  assert.equal(await b.line(), `* STATUS "${alices}/Work" (MESSAGES 2 UIDNEXT 3 UNSEEN 1)`);
  await b.send('NOTIFY NONE').ok();
  await a.append('Work', mail('three')).ok();
  await nothing(b);
});

test('names of others’ mailboxes are told as far as they may be looked up', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob();
  await b.send(`NOTIFY SET (SUBTREE "Other Users/ALICE@example.test" ${names})`).ok();
  await a.send('CREATE Hidden').ok();
  await a.send('CREATE Work').ok();
  await a.send('SETACL Work bob l').ok();
  // Its direct parent is told of too (5.4).
  assert.equal(await b.line(), `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\HasNoChildren \\NoAccess) "/" "${alices}/Work"`);
  await a.send('RENAME Work Play').ok();
  assert.equal(
    await b.line(),
    `* LIST (\\HasNoChildren \\NoAccess) "/" "${alices}/Play" ("OLDNAME" ("${alices}/Work"))`,
  );
  // 5.4: a right that is taken is a mailbox that goes, and says no more than that.
  await a.send('SETACL Play bob -l').ok();
  assert.equal(await b.line(), `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\NonExistent \\HasNoChildren) "/" "${alices}/Play"`);
  await a.send('DELETE Play').ok();
  await a.send('DELETE Hidden').ok();
  await nothing(b);
  await a.send('SETACL INBOX bob -lr').ok();
  assert.equal(await b.line(), `* LIST (\\NonExistent \\HasNoChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\NonExistent \\HasNoChildren) "/" "${alices}/INBOX"`);
  // What comes back is watched again.
  await a.send('SETACL INBOX bob lr').ok();
  assert.equal(await b.line(), `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`);
});

test('3.1: a mailbox that is named and may not be read is told with \\NoAccess, one that may not be looked up is not', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'l');
  await a.send('CREATE Secret').ok();
  const b = await server.bob();
  await b
    .send(`NOTIFY SET STATUS (MAILBOXES ("${alices}/INBOX" "${alices}/Secret") ${two})`)
    .tells(`* LIST (\\HasNoChildren \\NoAccess) "/" "${alices}/INBOX"`);
  await a.append('INBOX', mail('one')).ok();
  await nothing(b);
});

test('subscribed mailboxes of others are watched from the subscription on', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob();
  const other = await server.bob();
  await b.send(`NOTIFY SET (SUBSCRIBED ${two}) (SUBTREE "Other Users" (SubscriptionChange))`).ok();
  await a.append('INBOX', mail('before')).ok();
  await nothing(b);
  await other.send(`SUBSCRIBE "${alices}/INBOX"`).ok();
  assert.equal(await b.line(), `* LIST (\\HasNoChildren \\Subscribed) "/" "${alices}/INBOX"`);
  await a.append('INBOX', mail('after')).ok();
  assert.equal(await b.line(), `* STATUS "${alices}/INBOX" (MESSAGES 3 UIDNEXT 4)`);
  await other.send(`UNSUBSCRIBE "${alices}/INBOX"`).ok();
  assert.equal(await b.line(), `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`);
  await a.append('INBOX', mail('untold')).ok();
  await nothing(b);
});

test('who begins to share is found with NOOP and IDLE', async () => {
  await using server = await openImapServer();
  const b = await server.bob();
  const other = await server.bob();
  for (const client of [b, other])
    await client.send(`NOTIFY SET (SUBTREE "Other Users" (MailboxName MessageNew MessageExpunge))`).ok();
  const a = await sharedInbox(server, 'lr');
  const came = [
    `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`,
    `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`,
  ];
  await b.send('NOOP').tells(...came);
  await other.idle();
  for (const line of came) assert.equal(await other.line(), line);
  await a.append('INBOX', mail('two')).ok();
  for (const client of [b, other])
    assert.equal(await client.line(), `* STATUS "${alices}/INBOX" (MESSAGES 2 UIDNEXT 3)`);
});

test('shared mailboxes and IDLE; the selected one is SELECTED’s alone', async () => {
  await using server = await openImapServer();
  const team = await server.harness.addAccount('team', { shared: true });
  assert(team);
  const admin = await server.harness.account('team');
  const { id: mailboxId } = (await admin.findMailbox({ role: 'inbox' }))!;
  const rights = { identifier: 'anyone', mode: 'replace', rights: 'lrsiw' } as const;
  await admin.setAcl({ operation: newOperation(), mailboxId, ...rights });
  const inbox = '"Shared/team@example.test/INBOX"';
  const name = 'Shared/team@example.test/INBOX';
  const a = await server.alice();
  const b = await server.bob();
  await b.send(`NOTIFY SET (SELECTED ${two}) (SUBTREE Shared ${two})`).ok();
  const done = await b.idle();
  await a.append(name, mail('one')).ok();
  assert.equal(await b.line(), `* STATUS ${name} (MESSAGES 1 UIDNEXT 2)`);
  assert.deepEqual((await done().ok()).untagged, []);
  await b.send(`SELECT ${inbox}`).ok();
  await a.append(name, mail('two')).ok();
  assert.equal(await b.line(), '* 2 EXISTS');
  assert.equal(await b.line(), '* 0 RECENT');
  await nothing(b);
  // Also when it is closed it is watched.
  await b.send('UNSELECT').ok();
  await a.append(name, mail('three')).ok();
  assert.equal(await b.line(), `* STATUS ${name} (MESSAGES 3 UIDNEXT 4)`);
});

test('annotations of others’ mailboxes are told of, those that all see', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob();
  await b.send(`NOTIFY SET (SUBTREE "Other Users" (MailboxMetadataChange))`).ok();
  await a.send('SETMETADATA INBOX (/private/comment "mine")').ok();
  // A hint: it may be missed while the account moves.
  const deadline = systemClock.monotonic() + 60_000;
  let told: readonly string[] = [];
  for (let time = 0; told.length === 0 && systemClock.monotonic() < deadline; time++) {
    await a.send(`SETMETADATA INBOX (/shared/comment "${time}" /private/comment "${time}")`).ok();
    told = (await b.send('NOOP').ok()).untagged;
  }
  assert.deepEqual([...new Set(told)], [`* METADATA "${alices}/INBOX" /shared/comment`]);
});

test('a session that only watches an account outlives its end', async () => {
  await using server = await openImapServer();
  await sharedInbox(server, 'lr');
  const b = await server.bob();
  await b.send(`NOTIFY SET (SUBTREE "Other Users" ${names})`).ok();
  const alice = (await server.harness.directory.accountByAddress('alice@example.test'))!.id;
  await server.harness.accounts.endSessions(alice);
  assert.equal(await b.line(), `* LIST (\\NonExistent \\HasNoChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\NonExistent \\HasNoChildren) "/" "${alices}/INBOX"`);
  await b.send('SELECT INBOX').ok();
});

test('an account that is away keeps nobody from hearing of his own mailboxes', async () => {
  let isAway = false;
  await using harness = await openHarness();
  const accounts: AccountPorts = {
    async open(accountId, actor) {
      const port = await harness.accounts.open(accountId, actor);
      if (actor === undefined) return port;
      return new Proxy(port, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          if (!isAway || name === 'watch') return member.bind(target) as unknown;
          return () => Promise.reject(new MailError('unavailable', 'its host is away'));
        },
      });
    },
  };
  const { port } = await harness.listen(imapFor(harness, { accounts }));
  using a = await ImapClient.login(port, 'alice');
  await a.send('SETACL INBOX bob lr').ok();
  using b = await ImapClient.login(port, 'bob');
  using c = await ImapClient.login(port, 'bob');
  isAway = true;
  const both = '(MailboxName MessageNew MessageExpunge)';
  await b.send(`NOTIFY SET (SUBTREE "Other Users" ${both}) (PERSONAL ${two})`).ok();
  await a.append('INBOX', mail('one')).ok();
  await c.append('Sent', mail('own')).ok();
  assert.equal(await b.line(), '* STATUS Sent (MESSAGES 1 UIDNEXT 2)');
  isAway = false;
  // With the next event all of it is looked at.
  await a.append('INBOX', mail('two')).ok();
  assert.equal(await b.line(), `* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "${alices}"`);
  assert.equal(await b.line(), `* LIST (\\HasNoChildren) "/" "${alices}/INBOX"`);
  assert.equal(await b.line(), `* STATUS "${alices}/INBOX" (MESSAGES 2 UIDNEXT 3)`);
});

test('what is too much to watch is refused, and said when it becomes that', async () => {
  await using server = await openImapServer();
  for (let index = 0; index < 33; index++) {
    const name = `owner${index}`;
    await server.harness.addAccount(name);
    const owner = await server.harness.account(name);
    const { id: mailboxId } = (await owner.findMailbox({ role: 'inbox' }))!;
    const rights = { identifier: 'bob@example.test', mode: 'replace', rights: 'lr' } as const;
    await owner.setAcl({ operation: newOperation(), mailboxId, ...rights });
  }
  const b = await server.bob();
  await b.send(`NOTIFY SET (SUBTREE "Other Users" ${two})`).no('NOTIFICATIONOVERFLOW');
  await b.send(`NOTIFY SET (SUBTREE "Other Users/owner7@example.test" ${two}) (SUBSCRIBED ${two})`).ok();
  const other = await server.bob();
  for (let index = 0; index < 33; index++)
    await other.send(`SUBSCRIBE "Other Users/owner${index}@example.test/INBOX"`).ok();
  assert.equal(await b.line(), '* OK [NOTIFICATIONOVERFLOW] Too many mailboxes to watch');
  // 5.8: from then on it is as after NOTIFY NONE.
  using owner = await ImapClient.login(server.port, 'owner7');
  await owner.append('INBOX', mail('one')).ok();
  await nothing(b);
});
