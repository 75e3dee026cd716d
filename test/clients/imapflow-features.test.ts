// imapflow, the rest of what it can do beyond an ordinary session (imapflow.test.ts) and besides its options
// (imapflow-options.test.ts): what it asks of a server by itself (ID, namespaces, ENABLE, COMPRESS), every kind of search, parts of
// messages, conditional changes, and following with QRESYNC.

import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { ExpungeEvent, ImapFlow, ImapFlowOptions, SearchObject } from 'imapflow';
import { messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { ServerProcess } from '../server-process.ts';
import { type OpenedImapFlow, openImapFlow } from './imapflow-client.ts';

const messages = 12;
const mailbox = 'Projekte/Größe';
/** 2026-11-01 and a day more for each: its first second. */
const dayOf = (number: number): Date => new Date(Date.UTC(2026, 10, 1 + number));
const noonSeconds = 12 * 60 * 60;

const parts = [
  'From: Carol <carol@elsewhere.test>',
  'To: alice@example.test',
  'Cc: Dave <dave@elsewhere.test>',
  'Subject: parts',
  'Date: Tue, 03 Nov 2026 11:12:13 +0100',
  'MIME-Version: 1.0',
  'Content-Type: multipart/alternative; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=FC=DFe',
  '--b',
  'Content-Type: text/html; charset=utf-8',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from('<b>Grüße</b>').toString('base64'),
  '--b--',
  '',
].join('\r\n');

describe('imapflow, all its features', () => {
  let server: ServerProcess;
  let opened: OpenedImapFlow;
  let client: ImapFlow;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
    for (let number = 0; number < messages; number++)
      await storeMessage(server.admin, 'alice', {
        bytes: numberedMessage(number),
        mailbox,
        flags: number % 4 === 0 ? ['\\Seen', '$Work'] : number % 3 === 0 ? ['\\Answered', '\\Flagged'] : [],
        date: dayOf(number).getTime() / 1000 + noonSeconds,
      });
    opened = await open();
    client = opened.flow;
  });
  after(async () => {
    await client.logout();
    await server.stop();
  });

  const open = (options: Partial<ImapFlowOptions> = {}): Promise<OpenedImapFlow> =>
    openImapFlow(server, 'alice', options);

  test('by itself: ID, namespace, CONDSTORE, UTF8=ACCEPT, compression', async () => {
    assert.equal(client.serverInfo?.name, 'Rookery');
    assert.deepEqual(client.namespaces?.personal, [{ prefix: '', delimiter: '/' }]);
    assert.ok(
      client.enabled.has('CONDSTORE') && client.enabled.has('UTF8=ACCEPT'),
      [...client.enabled].join(),
    );
    assert.ok(
      opened.lines.some((line) => line.endsWith('OK DEFLATE is active')),
      opened.lines.join('\n'),
    );
  });

  test('lists with status, as a tree, with subscriptions', async () => {
    await client.mailboxCreate('Leer');
    assert.equal(await client.mailboxUnsubscribe('Leer'), true);
    const rows = await client.list({ statusQuery: { messages: true, unseen: true, uidNext: true } });
    const row = rows.find(({ path }) => path === mailbox)!;
    assert.deepEqual([row.name, row.parentPath, row.delimiter], ['Größe', 'Projekte', '/']);
    assert.deepEqual([row.status!.messages, row.status!.unseen, row.status!.uidNext], [12, 9, 13]);
    assert.ok(!rows.find(({ path }) => path === 'Leer')!.subscribed);
    assert.equal(await client.mailboxSubscribe('Leer'), true);
    assert.equal((await client.list()).find(({ path }) => path === 'Leer')!.subscribed, true);
    const tree = await client.listTree();
    const projects = tree.folders!.find(({ path }) => path === 'Projekte')!;
    assert.deepEqual(
      projects.folders!.map(({ name }) => name),
      ['Größe'],
    );
    const status = await client.status(mailbox, {
      ...{ messages: true, recent: true, uidNext: true, uidValidity: true, unseen: true },
      ...{ highestModseq: true, size: true, deleted: true },
    });
    const bytes = Array.from({ length: messages }, (_, number) => numberedMessage(number).length);
    assert.equal(
      status.size,
      bytes.reduce((sum, each) => sum + each, 0),
    );
    assert.equal(status.deleted, 0);
    assert.equal(typeof status.highestModseq, 'bigint');
    const quota = await client.getQuota('INBOX');
    assert.ok(quota !== false);
    assert.equal(quota.path, 'INBOX');
  });

  test('opens with its ids and counts, read-only when asked', async () => {
    {
      await using _lock = await opened.lock(mailbox, true);
      const found = client.mailbox as Exclude<typeof client.mailbox, false>;
      assert.deepEqual([found.path, found.exists, found.uidNext, found.readOnly], [mailbox, 12, 13, true]);
      assert.match(found.mailboxId!, /^F\d+$/);
      assert.ok(found.highestModseq! > 0n && found.flags.has('$Work'));
      assert.equal(await client.messageFlagsAdd('1', ['\\Draft'], { uid: true }), false);
    }
    await client.mailboxOpen(mailbox);
    assert.equal(await client.mailboxClose(), true);
    // Locks are given one after another.
    const first = await client.getMailboxLock(mailbox);
    const second = client.getMailboxLock('INBOX');
    first.release();
    (await second).release();
  });

  test('searches by every key', async () => {
    await using _lock = await opened.lock(mailbox);
    const numbers = Array.from({ length: messages }, (_, number) => number);
    const uidsOf = (isWanted: (number: number) => boolean): number[] =>
      numbers.filter(isWanted).map((number) => number + 1);
    const searches: readonly (readonly [SearchObject, (number: number) => boolean])[] = [
      [{ all: true }, () => true],
      [{ seen: true }, (number) => number % 4 === 0],
      [{ seen: false, flagged: false }, (number) => number % 4 !== 0 && number % 3 !== 0],
      [{ answered: true }, (number) => number % 3 === 0 && number % 4 !== 0],
      [{ deleted: true }, () => false],
      [{ draft: false }, () => true],
      [{ keyword: '$Work' }, (number) => number % 4 === 0],
      [{ unKeyword: '$Work' }, (number) => number % 4 !== 0],
      [{ seq: '2:3' }, (number) => number === 1 || number === 2],
      [{ uid: '11:*' }, (number) => number >= 10],
      [{ from: 'sender@elsewhere' }, () => true],
      [{ to: 'alice' }, () => true],
      [{ cc: 'nobody' }, () => false],
      [{ bcc: 'nobody' }, () => false],
      [{ subject: 'NUMBER 11' }, (number) => number === 11],
      [{ body: 'message 7.' }, (number) => number === 7],
      [{ text: '<3@elsewhere.test>' }, (number) => number === 3],
      [{ header: { 'message-id': '<4@elsewhere.test>' } }, (number) => number === 4],
      [
        { larger: numberedMessage(5).length },
        (number) => numberedMessage(number).length > numberedMessage(5).length,
      ],
      [
        { smaller: numberedMessage(5).length },
        (number) => numberedMessage(number).length < numberedMessage(5).length,
      ],
      [{ before: dayOf(3) }, (number) => number < 3],
      [{ on: dayOf(3) }, (number) => number === 3],
      [{ since: dayOf(3) }, (number) => number >= 3],
      [{ sentOn: '2026-11-02' }, () => true],
      [{ sentBefore: '2026-11-02' }, () => false],
      [{ sentSince: '2026-11-02' }, () => true],
      [{ not: { seen: true } }, (number) => number % 4 !== 0],
      [{ or: [{ uid: '1' }, { uid: '3' }, { subject: 'number 9' }] }, (number) => [0, 2, 9].includes(number)],
    ];
    for (const [query, isWanted] of searches)
      assert.deepEqual(await client.search(query, { uid: true }), uidsOf(isWanted), JSON.stringify(query));
    const told = await client.search(
      { seen: true },
      { uid: true, returnOptions: ['MIN', 'MAX', 'COUNT', 'ALL'] },
    );
    assert.ok(told && !Array.isArray(told));
    assert.deepEqual([told.min, told.max, told.count, told.all], [1, 9, 3, '1,5,9']);
    const [one] = await client.fetchAll('1', { uid: true }, { uid: true });
    assert.match(one!.emailId!, /^M\d+$/);
    assert.deepEqual(await client.search({ emailId: one!.emailId! }, { uid: true }), [1]);
  });

  test('fetches parts, headers and pieces', async () => {
    const appended = await client.append('INBOX', parts, ['\\Flagged']);
    assert.ok(appended);
    await using _lock = await opened.lock('INBOX');
    const query = {
      ...{ envelope: true, bodyStructure: true, flags: true, size: true, threadId: true, internalDate: true },
      headers: ['Subject', 'Cc'],
      source: { start: 6, maxLength: 5 },
      bodyParts: ['1', { key: '2', start: 0, maxLength: 4 }, 'text', '1.mime'],
    };
    const message = await client.fetchOne(String(appended.uid), query, { uid: true });
    assert.ok(message);
    assert.equal(message.headers!.toString(), 'Cc: Dave <dave@elsewhere.test>\r\nSubject: parts\r\n\r\n');
    assert.equal(message.source!.toString(), 'Carol');
    assert.equal(message.bodyParts!.get('1')!.toString('latin1'), 'Gr=FC=DFe');
    assert.equal(message.bodyParts!.get('2')!.toString(), 'PGI+');
    assert.match(message.bodyParts!.get('1.mime')!.toString(), /^Content-Type: text\/plain/);
    assert.deepEqual(message.envelope!.cc, [{ name: 'Dave', address: 'dave@elsewhere.test' }]);
    // It decodes the charset of a text.
    const text = await client.download(String(appended.uid), '1', { uid: true });
    assert.equal((await buffer(text.content as Readable)).toString(), 'Grüße');
    const many = await client.downloadMany(String(appended.uid), ['1', '2'], { uid: true });
    const content = many as Record<string, { content: Buffer | null }>;
    assert.equal(content['2']!.content!.toString(), '<b>Grüße</b>');
    const binary = await client.fetchAll(
      String(appended.uid),
      { bodyParts: ['2'] },
      { uid: true, binary: true },
    );
    assert.equal(binary[0]!.bodyParts!.get('2')!.toString(), '<b>Grüße</b>');
    // A peek does not mark it seen.
    assert.ok(!(await messagesOf(server.admin, 'alice'))[0]!.flags.includes('\\Seen'));
  });

  test('changes on condition, silently, in colours; fetches what has changed', async () => {
    await using _lock = await opened.lock(mailbox);
    const before = (client.mailbox as Exclude<typeof client.mailbox, false>).highestModseq!;
    await client.messageFlagsAdd([2, 3], ['\\Draft'], { uid: true, silent: true });
    await client.setFlagColor('2', 'green', { uid: true });
    // The second has changed since.
    await client.messageFlagsSet('2', [], { uid: true, unchangedSince: before });
    const changed = await client.fetchAll('1:*', { flags: true }, { changedSince: before });
    assert.deepEqual(
      changed.map(({ uid }) => uid),
      [2, 3],
    );
    assert.ok(changed.every(({ modseq }) => modseq! > before));
    assert.equal(changed[0]!.flagColor, 'green');
    assert.ok(changed[0]!.flags!.has('\\Draft'));
    await client.messageFlagsRemove({ draft: true }, ['\\Draft']);
    assert.deepEqual(await client.search({ draft: true }), []);
    const subjects: string[] = [];
    for await (const { envelope } of client.fetch({ seen: true }, { envelope: true }))
      subjects.push(envelope!.subject!);
    assert.deepEqual(subjects, ['number 0', 'number 4', 'number 8']);
  });

  test('follows with QRESYNC: hears what vanished by UID', async () => {
    const expunged: ExpungeEvent[] = [];
    await using following = await open({
      qresync: true,
      expungeHandler: (event) => void expunged.push(event),
    });
    const follower = following.flow;
    await follower.mailboxOpen(mailbox);
    assert.ok(follower.enabled.has('QRESYNC'));
    await using changing = await open({ disableCompression: true });
    const other = changing.flow;
    await other.mailboxOpen(mailbox);
    await other.messageDelete('4:5', { uid: true });
    await follower.noop();
    assert.deepEqual(
      expunged.map(({ uid, vanished }) => [uid, vanished]),
      [
        [4, true],
        [5, true],
      ],
    );
    const flagged = new Promise<{ uid?: number | undefined }>((resolve) => follower.once('flags', resolve));
    await other.messageFlagsAdd('6', ['\\Flagged'], { uid: true });
    await follower.noop();
    assert.equal((await flagged).uid, 6);
  });
});
