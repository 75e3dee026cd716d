// QUOTA (RFC 9208), and UNAUTHENTICATE (RFC 8437).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOperation } from '../../src/account/testing.ts';
import type { DirectoryAccount } from '../../src/directory/directory.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import { password } from './harness.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

test('GETQUOTA and GETQUOTAROOT tell what is used and what may be', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  // Where nothing is limited there is no root: a list of resources is never empty (section 7).
  await a.send('GETQUOTA ""').no('NONEXISTENT');
  await a.send('GETQUOTAROOT INBOX').tells('* QUOTAROOT INBOX');
  const account = await server.harness.account('alice');
  await account.setQuota({ operation: newOperation(), bytesMax: 512 * 1024, messagesMax: undefined });
  const message = mail('one', 'x'.repeat(2048));
  await a.append('INBOX', message).ok();
  await a.send('GETQUOTA ""').tells('* QUOTA "" (STORAGE 3 512)');
  await account.setQuota({ operation: newOperation(), bytesMax: 512 * 1024, messagesMax: 1 });
  await a.send('GETQUOTAROOT INBOX').tells('* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 3 512 MESSAGE 1 1)');
  await a
    .send('GETQUOTAROOT "not yet there"')
    .tells('* QUOTAROOT "not yet there" ""', '* QUOTA "" (STORAGE 3 512 MESSAGE 1 1)');
  await a.append('INBOX', message).no('OVERQUOTA');
  await a.send('GETQUOTA "#user/alice"').no('NONEXISTENT');
  await a.send('GETQUOTA').bad();
  await a.send('SETQUOTA "" (STORAGE 1)').no('NOPERM');
  await a.send('SETQUOTA "" STORAGE 1').bad();
  await a.send('SELECT INBOX').ok();
  await a
    .send('STATUS INBOX (DELETED DELETED-STORAGE)')
    .tells('* STATUS INBOX (DELETED 0 DELETED-STORAGE 0)');
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a
    .send('STATUS INBOX (DELETED DELETED-STORAGE)')
    .tells(`* STATUS INBOX (DELETED 1 DELETED-STORAGE ${message.length})`);
});

test('SETQUOTA sets the limits of the directory and of the account, for administrators', async () => {
  await using server = await openImapServer();
  const { directory } = server.harness;
  const root = await server.harness.addAccount('root', { administrator: true });
  await server.harness.addAccount('team', { shared: true });
  const bob = (await directory.accountByAddress('bob@example.test'))!.id;
  const r = await server.connect();
  await r.send(`LOGIN root@example.test "${password}"`).ok(/ QUOTASET( |$)/);
  const others = 'Other Users/bob@example.test';
  await r
    .send(`SETQUOTA "${others}" (STORAGE 510 MESSAGE 3)`)
    .tells(`* QUOTA "${others}" (STORAGE 0 510 MESSAGE 0 3)`);
  const limits = async () => {
    const { quotaBytes, quotaMessages } = (await directory.account(bob))!;
    return [quotaBytes, quotaMessages];
  };
  assert.deepEqual(await limits(), [510 * 1024, 3]);
  const b = await server.bob();
  await b.send('GETQUOTA ""').tells('* QUOTA "" (STORAGE 0 510 MESSAGE 0 3)');
  // Limits that are not named are discarded (4.1.3), and zero is a limit.
  await r.send(`SETQUOTA "${others}" (message 0)`).tells(`* QUOTA "${others}" (MESSAGE 0 0)`);
  assert.deepEqual(await limits(), [undefined, 0]);
  await b.append('INBOX', mail('one')).no('OVERQUOTA');
  await r.send(`SETQUOTA "${others}" ()`).tells();
  await b.append('INBOX', mail('one')).ok();
  await r.send(`GETQUOTA "${others}"`).no('NONEXISTENT');
  await r.send('SETQUOTA "" (STORAGE 7)').tells('* QUOTA "" (STORAGE 0 7)');
  await r
    .send('SETQUOTA "Shared/team@example.test" (STORAGE 9)')
    .tells('* QUOTA "Shared/team@example.test" (STORAGE 0 9)');
  // Nothing is changed by what is refused.
  await r.send(`SETQUOTA "${others}" (STORAGE 1 MAILBOX 5)`).no('CANNOT');
  await r.send(`SETQUOTA "${others}" (STORAGE 9007199254740991)`).no('CANNOT');
  await r.send(`SETQUOTA "${others}" (STORAGE 1 STORAGE 2)`).bad();
  await r.send(`SETQUOTA "${others}" (STORAGE -1)`).bad();
  await r.send(`SETQUOTA "${others}" (STORAGE)`).bad();
  for (const missing of [
    '#user/bob',
    'Other Users/team@example.test',
    'Other Users/eve@example.test',
    'INBOX',
  ])
    await r.send(`SETQUOTA "${missing}" (STORAGE 1)`).no('NONEXISTENT');
  assert.deepEqual(await limits(), [undefined, undefined]);
  // Everybody else, and who was an administrator.
  await b.send('SETQUOTA "" (STORAGE 99999)').no('NOPERM');
  await b.send('SETQUOTA "Other Users/alice@example.test" (STORAGE 1)').no('NOPERM');
  await b.send('GETQUOTA "Other Users/alice@example.test"').no('NONEXISTENT');
  await directory.setAccount(root, { administrator: false });
  await r.send('SETQUOTA "" (STORAGE 99999)').no('NOPERM');
  assert.equal((await directory.account(root))!.quotaBytes, 7 * 1024);
});

test('an app password of an administrator sets no limits', async () => {
  await using server = await openImapServer();
  const { directory } = server.harness;
  const root = await server.harness.addAccount('root', { administrator: true });
  const app = await directory.addAppPassword(root, { name: 'phone', services: ['imap'] });
  const r = await server.connect();
  await r.send(`LOGIN root@example.test "${app.password}"`).ok();
  await r.send('SETQUOTA "" (STORAGE 1)').no('NOPERM');
  await r.send('UNAUTHENTICATE').ok();
  await r.send(`LOGIN root@example.test "${password}"`).ok();
  await r.send('SETQUOTA "" (STORAGE 1)').ok();
  await r.send('UNAUTHENTICATE').ok();
  await r.send(`LOGIN bob@example.test "${password}"`).ok();
  await r.send('SETQUOTA "" (STORAGE 1)').no('NOPERM');
});

test('limits that the account did not follow yet are told as set, not as kept', async () => {
  const account = async (id: AccountId) => ({ id, enabled: true, administrator: true }) as DirectoryAccount;
  const administration = { account, accountByAddress: async () => undefined, setAccount: account };
  await using server = await openImapServer({}, { administration });
  await server.harness.addAccount('root', { administrator: true });
  const r = await server.connect();
  await r.send(`LOGIN root@example.test "${password}"`).ok();
  assert.deepEqual((await r.send('SETQUOTA "" (STORAGE 1)').no('UNAVAILABLE')).untagged, []);
  await r.send('GETQUOTA ""').no('NONEXISTENT');
});

test('where the directory cannot be changed nobody sets limits', async () => {
  await using server = await openImapServer({}, { administration: undefined });
  await server.harness.addAccount('root', { administrator: true });
  const r = await server.connect();
  const { code } = await r.send(`LOGIN root@example.test "${password}"`).ok();
  assert.doesNotMatch(code!, /QUOTASET/);
  await r.send('SETQUOTA "" (STORAGE 1)').no('NOPERM');
});

test('UNAUTHENTICATE leaves nothing of the account in the session', async () => {
  await using server = await openImapServer();
  const stranger = await server.connect();
  await stranger.send('UNAUTHENTICATE').bad();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.send('ENABLE QRESYNC UTF8=ACCEPT').ok();
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 +FLAGS (\\Deleted)').ok();
  await a.send('UNAUTHENTICATE').ok();
  await a.send('NOOP').ok();
  await a.send('FETCH 1 FLAGS').bad();
  await a.send('LIST "" *').bad();
  assert.doesNotMatch((await a.send('CAPABILITY').ok()).untagged[0]!, /UNAUTHENTICATE/);
  // Pipelined (section 3), as another user.
  const login = a.send(`LOGIN bob@example.test "${password}"`);
  const list = a.send('SELECT INBOX');
  await login.ok(/ UNAUTHENTICATE( |$)/);
  assert((await list.ok()).untagged.includes('* 0 EXISTS'));
  await a.send('SELECT INBOX (QRESYNC (1 1))').bad();
  await a.append('INBOX', mail('two')).ok();
  assert.deepEqual((await a.send('STORE 1 +FLAGS (\\Seen)').ok()).untagged, [
    '* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))',
  ]);
  // No expunge of what the first one left, and no events of its account.
  const c = await server.alice('INBOX');
  await c.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
  await c.append('INBOX', mail('three')).ok();
  await a.send('NOOP').tells();
});

test('UNAUTHENTICATE ends compression with its answer', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  await a.send('COMPRESS DEFLATE').ok();
  a.socket.startDeflate();
  await a.send('UNAUTHENTICATE').ok();
  a.socket.stopDeflate();
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  await a.send('COMPRESS DEFLATE').ok();
  a.socket.startDeflate();
  await a.send('NOOP').ok();
});
