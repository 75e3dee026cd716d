// QUOTA (RFC 9208), and UNAUTHENTICATE (RFC 8437).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { password } from './harness.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

test('GETQUOTA and GETQUOTAROOT tell what is used and what may be', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('GETQUOTA ""').tells('* QUOTA "" ()');
  const account = await server.harness.account('alice');
  await account.setQuota({ bytesMax: 512 * 1024, messagesMax: undefined });
  const message = mail('one', 'x'.repeat(2048));
  await a.append('INBOX', message).ok();
  await a.send('GETQUOTA ""').tells('* QUOTA "" (STORAGE 3 512)');
  await account.setQuota({ bytesMax: 512 * 1024, messagesMax: 1 });
  await a.send('GETQUOTAROOT INBOX').tells('* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 3 512 MESSAGE 1 1)');
  await a
    .send('GETQUOTAROOT "not yet there"')
    .tells('* QUOTAROOT "not yet there" ""', '* QUOTA "" (STORAGE 3 512 MESSAGE 1 1)');
  await a.append('INBOX', message).no('OVERQUOTA');
  await a.send('GETQUOTA "#user/alice"').no('NONEXISTENT');
  await a.send('GETQUOTA').bad();
  await a.send('SETQUOTA "" (STORAGE 1)').bad();
  await a.send('SELECT INBOX').ok();
  await a
    .send('STATUS INBOX (DELETED DELETED-STORAGE)')
    .tells('* STATUS INBOX (DELETED 0 DELETED-STORAGE 0)');
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a
    .send('STATUS INBOX (DELETED DELETED-STORAGE)')
    .tells(`* STATUS INBOX (DELETED 1 DELETED-STORAGE ${message.length})`);
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
  await login.ok(/ UNAUTHENTICATE /);
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
