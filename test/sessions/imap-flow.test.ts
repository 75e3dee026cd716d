// imapflow, a client of other people's making, against the IMAP speaker.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImapFlow } from 'imapflow';
import { password } from './harness.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

test('imapflow reads, writes, moves, searches, idles', async () => {
  await using server = await openImapServer();
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: server.port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'alice@example.test', pass: password },
    logger: false,
  });
  await client.connect();
  const created = await client.mailboxCreate(['Projekte', 'Übersicht']);
  assert.equal(created.path, 'Projekte/Übersicht');
  const list = await client.list();
  assert.equal(list.find((mailbox) => mailbox.specialUse === '\\Trash')?.path, 'Trash');
  await client.append('INBOX', mail('one'), ['\\Flagged'], new Date(0));
  await client.append('INBOX', mail('two', 'Second\r\n'));
  const lock = await client.getMailboxLock('INBOX');
  const subjects: (string | undefined)[] = [];
  for await (const message of client.fetch('1:*', {
    envelope: true,
    bodyStructure: true,
    flags: true,
    uid: true,
  })) {
    subjects.push(message.envelope?.subject);
  }
  assert.deepEqual(subjects, ['one', 'two']);
  assert.deepEqual(await client.search({ body: 'second' }), [2]);
  const { content } = await client.download('2', '1');
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), 'Second\r\n');
  await client.messageFlagsAdd('1', ['\\Seen', '$Done']);
  const one = await client.fetchOne('1', { flags: true });
  assert.ok(one);
  assert.deepEqual([...one.flags!].sort(), ['$Done', '\\Flagged', '\\Seen']);
  const moved = await client.messageMove('1', 'Projekte/Übersicht');
  assert.deepEqual(moved === false ? undefined : [...moved.uidMap!], [[1, 1]]);
  const exists = new Promise<number>((resolve) => client.once('exists', (event) => resolve(event.count)));
  const idling = client.idle();
  const other = await server.alice();
  await other.append('INBOX', mail('three')).ok();
  assert.equal(await exists, 2);
  lock.release();
  const status = await client.status('Projekte/Übersicht', { messages: true, highestModseq: true });
  assert.equal(status.messages, 1);
  await idling;
  await client.logout();
});
