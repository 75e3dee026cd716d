// imapflow: an application's session, in the clear and over TLS: login, folders, append, structure, download, flags, copy, move,
// search, and updates that another session causes while it idles.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { type FetchMessageObject, ImapFlow } from 'imapflow';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const boundary = 'frontier';
const attachment = Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 7) % 256));
const base64Lines = attachment
  .toString('base64')
  .match(/.{1,76}/g)!
  .join('\r\n');
const multipart = `From: =?utf-8?Q?J=C3=BCrgen?= <juergen@elsewhere.test>
To: alice@example.test
Subject: =?utf-8?B?R3LDvMOfZQ==?=
Date: Tue, 03 Nov 2026 11:12:13 +0100
Message-ID: <multipart@elsewhere.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=${boundary}

--${boundary}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Sch=C3=B6ne Gr=C3=BC=C3=9Fe
--${boundary}
Content-Type: application/octet-stream; name="data.bin"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="data.bin"

${base64Lines}
--${boundary}--
`.replaceAll(/\r?\n/g, '\r\n');

async function fetched(client: ImapFlow, uid: string): Promise<FetchMessageObject> {
  const query = { flags: true, envelope: true, bodyStructure: true, internalDate: true, size: true };
  const message = await client.fetchOne(uid, query, { uid: true });
  assert.ok(message, `no message ${uid}`);
  return message;
}

for (const { way, user, isSecure, doStartTls } of [
  { way: 'in the clear', user: 'alice', isSecure: false, doStartTls: false },
  { way: 'after STARTTLS', user: 'bob', isSecure: false, doStartTls: true },
  { way: 'with TLS', user: 'carol', isSecure: true, doStartTls: undefined },
]) {
  describe(`imapflow ${way}`, () => {
    let server: ServerProcess;
    let client: ImapFlow;
    before(async () => {
      server = await ServerProcess.start({ accounts: [user] });
      client = await open();
    });
    after(async () => {
      await client.logout();
      await server.stop();
    });

    async function open(password = passwordOf(user)): Promise<ImapFlow> {
      const opened = new ImapFlow({
        host: '127.0.0.1',
        port: isSecure ? server.ports.imaps : server.ports.imap,
        secure: isSecure,
        ...(doStartTls === undefined ? {} : { doSTARTTLS: doStartTls }),
        servername: 'localhost',
        tls: { ca: readFileSync(server.certificateFile) },
        auth: { user: addressOf(user), pass: password },
        logger: false,
        disableAutoIdle: true,
      });
      // A connection that is cut is an event; without a listener it would end the test's process.
      opened.on('error', () => {});
      await opened.connect();
      return opened;
    }

    test('refuses a wrong password', async () => {
      await assert.rejects(open('wrong'), (error: { authenticationFailed?: boolean }) => {
        assert.equal(error.authenticationFailed, true);
        return true;
      });
    });

    test('folders: special use, create, rename, subscribe, status, delete', async () => {
      const roles = (await client.list()).map(({ path, specialUse }) => [path, specialUse]);
      for (const name of ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash'])
        assert.deepEqual(
          roles.find(([path]) => path === name),
          [name, `\\${name}`],
        );
      assert.equal((await client.mailboxCreate(['Räume', 'Größe'])).created, true);
      assert.equal((await client.mailboxCreate('Räume/Größe')).created, false);
      await client.mailboxRename('Räume', 'Zimmer & Küche');
      const names = (await client.list()).map(({ path }) => path);
      assert.ok(names.includes('Zimmer & Küche/Größe') && !names.includes('Räume'), names.join());
      await client.mailboxUnsubscribe('Zimmer & Küche/Größe');
      const status = await client.status('Zimmer & Küche/Größe', { messages: true, uidNext: true });
      assert.deepEqual([status.messages, status.uidNext], [0, 1]);
      await client.mailboxDelete('Zimmer & Küche/Größe');
      await client.mailboxDelete('Zimmer & Küche');
      assert.ok(!(await client.list()).some(({ path }) => path.startsWith('Zimmer')));
    });

    test('append, structure and download', async () => {
      const when = new Date('2026-01-02T03:04:05Z');
      const appended = await client.append('INBOX', multipart, ['\\Seen', '$Label1'], when);
      assert.ok(appended && appended.uid !== undefined);
      await using _lock = await lockOf('INBOX');
      const message = await fetched(client, String(appended.uid));
      assert.equal(message.size, Buffer.byteLength(multipart));
      assert.deepEqual([...message.flags!].sort(), ['$Label1', '\\Seen']);
      assert.deepEqual(new Date(message.internalDate!), when);
      assert.equal(message.envelope?.subject, 'Grüße');
      assert.deepEqual(message.envelope?.from, [{ name: 'Jürgen', address: 'juergen@elsewhere.test' }]);
      assert.equal(message.envelope?.messageId, '<multipart@elsewhere.test>');
      const parts = message.bodyStructure?.childNodes?.map(({ part, type, encoding }) => [
        part,
        type,
        encoding,
      ]);
      assert.deepEqual(parts, [
        ['1', 'text/plain', 'quoted-printable'],
        ['2', 'application/octet-stream', 'base64'],
      ]);
      const range = String(appended.uid);
      const text = await client.download(range, '1', { uid: true });
      assert.equal((await buffer(text.content as Readable)).toString('utf8'), 'Schöne Grüße');
      const file = await client.download(range, '2', { uid: true });
      assert.equal(file.meta.filename, 'data.bin');
      assert.deepEqual(await buffer(file.content as Readable), attachment);
      const whole = await client.download(range, undefined, { uid: true, chunkSize: 1000 });
      assert.equal((await buffer(whole.content as Readable)).toString('latin1'), multipart);
    });

    test('flags, copy, move, search and expunge', async () => {
      for (let number = 0; number < 20; number++)
        await storeMessage(server.admin, user, { bytes: numberedMessage(number), mailbox: 'Work' });
      await using _lock = await lockOf('Work');
      await client.messageFlagsAdd('1:5', ['\\Flagged', '$Done'], { uid: true });
      await client.messageFlagsRemove('5', ['\\Flagged'], { uid: true });
      await client.messageFlagsSet('6', ['\\Answered'], { uid: true });
      assert.deepEqual(await client.search({ flagged: true }, { uid: true }), [1, 2, 3, 4]);
      assert.deepEqual(await client.search({ keyword: '$Done', flagged: false }, { uid: true }), [5]);
      assert.deepEqual(await client.search({ subject: 'number 13' }, { uid: true }), [14]);
      assert.deepEqual(await client.search({ body: 'message 17.' }, { uid: true }), [18]);
      const either = { or: [{ uid: '3' }, { header: { 'message-id': '<9@elsewhere.test>' } }] };
      assert.deepEqual(await client.search(either, { uid: true }), [3, 10]);
      const copied = await client.messageCopy('1:3', 'Archive', { uid: true });
      assert.ok(copied);
      assert.deepEqual([...copied.uidMap!.keys()], [1, 2, 3]);
      const moved = await client.messageMove('19:20', 'Trash', { uid: true });
      assert.ok(moved);
      assert.deepEqual([...moved.uidMap!.keys()], [19, 20]);
      await client.messageDelete('18', { uid: true });
      const left = (await messagesOf(server.admin, user, 'Work')).map(({ uid }) => uid);
      assert.deepEqual(
        left,
        Array.from({ length: 17 }, (_, at) => at + 1),
      );
      const [first] = await messagesOf(server.admin, user, 'Archive');
      assert.deepEqual([...first!.flags].sort(), ['$Done', '\\Flagged']);
      const bytes = await bytesOf(server.admin, user, { mailbox: 'Trash', uid: moved.uidMap!.get(20)! });
      assert.equal(bytes.toString('latin1'), numberedMessage(19));
    });

    test('hears of new mail, flags and expunges while it idles', async () => {
      await client.mailboxCreate('Watched');
      await using _lock = await lockOf('Watched');
      const idling = client.idle();
      const heard = <T>(event: 'exists' | 'flags' | 'expunge'): Promise<T> =>
        new Promise((resolve) => client.once(event, resolve as (value: unknown) => void));
      const exists = heard<{ count: number }>('exists');
      const uid = await storeMessage(server.admin, user, { bytes: numberedMessage(1), mailbox: 'Watched' });
      assert.equal((await exists).count, 1);
      const other = await open();
      await other.mailboxOpen('Watched');
      const flags = heard<{ flags: Set<string> }>('flags');
      await other.messageFlagsAdd(String(uid), ['\\Flagged'], { uid: true });
      assert.ok((await flags).flags.has('\\Flagged'));
      const expunge = heard<{ seq: number }>('expunge');
      await other.messageDelete(String(uid), { uid: true });
      assert.equal((await expunge).seq, 1);
      await other.logout();
      await client.noop();
      await idling;
    });

    async function lockOf(mailbox: string): Promise<AsyncDisposable> {
      const lock = await client.getMailboxLock(mailbox);
      return { [Symbol.asyncDispose]: async () => lock.release() };
    }
  });
}
