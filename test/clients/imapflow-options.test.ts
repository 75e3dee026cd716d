// imapflow with each of its options that changes what it says: the older IMAP, without extensions, without BINARY, compression;
// ways to log in, IDLE of its own accord, others' mailboxes, limits, and what it makes of refusals.

import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { ExistsEvent, ImapFlow, ImapFlowOptions, SearchObject } from 'imapflow';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { openImapFlow } from './imapflow-client.ts';

/** As it goes over the wire without UTF8=ACCEPT. */
const encoded = 'R&AOQ-ume &- mehr/Gr&APYA3w-e "2"';
const decoded = 'Räume & mehr/Größe "2"';

const withNul = Buffer.from('From: a@b.test\r\nSubject: octets\r\n\r\nx\0y\r\n', 'latin1');
const first = numberedMessage(1).replace('number 1', '=?utf-8?Q?Gr=C3=B6=C3=9Fe_1?=');
const nested = [
  ...['From: a@b.test', 'Subject: =?utf-8?Q?=C3=A4u=C3=9Feres?=', 'MIME-Version: 1.0'],
  ...['Content-Type: multipart/mixed; boundary=o', '', '--o', 'Content-Type: text/plain', '', 'out', '--o'],
  ...['Content-Type: message/rfc822', '', 'From: c@d.test', 'Subject: inner', 'MIME-Version: 1.0'],
  ...['Content-Type: multipart/mixed; boundary=i', '', '--i', 'Content-Type: text/plain', '', 'in', '--i'],
  ...['Content-Type: application/x-data; name=d', 'Content-Transfer-Encoding: base64', ''],
  ...[Buffer.alloc(3000, 'data').toString('base64'), '--i--', '--o--', ''],
].join('\r\n');

/** IMAP4rev2 has no \Recent. */
const recent: readonly (readonly [SearchObject, number[]])[] = [
  [{ recent: true, new: true }, [1, 2, 3]],
  [{ old: true }, []],
];

interface Setting {
  readonly name: string;
  readonly options: Partial<ImapFlowOptions>;
  readonly isRev2: boolean;
  readonly isUtf8: boolean;
}

const settings: readonly Setting[] = [
  { name: 'as it is', options: {}, isRev2: true, isUtf8: true },
  { name: 'disableIMAP4rev2', options: { disableIMAP4rev2: true }, isRev2: false, isUtf8: true },
  { name: 'disableAutoEnable', options: { disableAutoEnable: true }, isRev2: false, isUtf8: false },
  { name: 'disableBinary', options: { disableBinary: true }, isRev2: true, isUtf8: true },
  { name: 'disableCompression', options: { disableCompression: true }, isRev2: true, isUtf8: true },
  { name: 'qresync', options: { qresync: true, disableIMAP4rev2: true }, isRev2: false, isUtf8: true },
];

describe('imapflow, its options', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'carol', 'dave'] });
  });
  after(() => server.stop());

  for (const { name, options, isRev2, isUtf8 } of settings)
    test(`the same session, ${name}`, async () => {
      await using opened = await openImapFlow(server, 'alice', options);
      const { flow, lines } = opened;
      assert.deepEqual([flow.enabled.has('IMAP4REV2'), flow.enabled.has('UTF8=ACCEPT')], [isRev2, isUtf8]);
      assert.equal(flow.enabled.has('QRESYNC'), options.qresync ?? false);
      assert.equal(
        lines.some((line) => line.endsWith('OK DEFLATE is active')),
        !options.disableCompression,
      );
      assert.equal((await flow.mailboxCreate(['Räume & mehr', 'Größe "2"'])).path, decoded);
      const named = lines.find((line) => / CREATE /.test(line))!;
      assert.ok(named.includes((isUtf8 ? decoded : encoded).replaceAll('"', '\\"')), named);
      assert.ok((await flow.list({ listOnly: true })).some(({ path }) => path === decoded));
      const hinted = await flow.list({ specialUseHints: { archive: decoded } });
      assert.equal(hinted.find(({ path }) => path === decoded)!.specialUse, '\\Archive');
      await session(opened.flow, () => opened.lock(decoded), lines, isRev2, options.disableBinary ?? false);
      const stored = await bytesOf(server.admin, 'alice', { mailbox: decoded, uid: 1 });
      assert.equal(stored.toString(), first);
      await flow.mailboxRename(decoded, 'Weg');
      await flow.mailboxDelete('Weg');
      await flow.mailboxDelete('Räume & mehr');
      const { sent, received } = flow.stats(true);
      assert.ok(sent > 0 && received > 0 && flow.stats().received === 0);
    });

  /** In the mailbox, which is empty. */
  async function session(
    flow: ImapFlow,
    lock: () => Promise<AsyncDisposable>,
    lines: readonly string[],
    isRev2: boolean,
    isBinaryDisabled: boolean,
  ): Promise<void> {
    await using _lock = await lock();
    const opened: string[] = [];
    flow.on('exists', ({ count, prevCount }: ExistsEvent) => opened.push(`${prevCount}→${count}`));
    for (const [number, text] of [first, nested, numberedMessage(3)].entries()) {
      const appended = await flow.append(decoded, text, ['$Neu']);
      assert.ok(appended);
      assert.deepEqual([appended.seq, appended.uid], [number + 1, number + 1]);
    }
    assert.deepEqual(opened, ['0→1', '1→2', '2→3']);
    // As a literal8 or, without BINARY, as any other literal: it is stored as it came.
    assert.ok(await flow.append(decoded, withNul));
    assert.deepEqual(await bytesOf(server.admin, 'alice', { mailbox: decoded, uid: 4 }), withNul);
    const bare = await flow.fetchOne('4', { bodyParts: ['1'] }, { binary: true });
    assert.ok(bare);
    assert.equal(bare.bodyParts!.get('1')!.toString('latin1'), isBinaryDisabled ? 'x\x80y\r\n' : 'x\0y\r\n');
    await flow.messageDelete([4]);
    const modseq = (await flow.fetchOne('3', { flags: true, threadId: true })) as {
      modseq?: bigint;
      threadId: string;
    };
    const searches: readonly (readonly [SearchObject, number[]])[] = [
      [{ subject: 'GRÖSSE' }, [1]],
      [{ header: { 'MIME-Version': true } }, [2]],
      [{ threadId: modseq.threadId }, [3]],
      [{ not: { subject: 'Größe', seen: false } }, [2, 3]],
      [{ or: [{ subject: 'äußeres', from: 'a@b.test' }, { body: 'message 3.' }, { draft: true }] }, [2, 3]],
      [{ seq: '3,1:2', uid: '2:*', deleted: false, flagged: false, answered: false, draft: false }, [2, 3]],
      [{ modseq: Number(modseq.modseq ?? 1n) }, modseq.modseq === undefined ? [1, 2, 3] : [3]],
      ...(isRev2 ? [] : recent),
    ];
    for (const [query, found] of searches)
      assert.deepEqual(
        await flow.search(query),
        found,
        JSON.stringify(query, (_, value) => `${value}`),
      );
    // Its parser takes one message here, no more.
    const page = await flow.search({ seq: '3' }, { returnOptions: ['COUNT', { partial: '1:2' }] });
    assert.deepEqual(page, { count: 1, partial: { range: '1:2', messages: '3' } });
    await fetches(flow);
    await changes(flow, lines);
  }

  async function fetches(flow: ImapFlow): Promise<void> {
    const [fast] = await flow.fetchAll([2], { fast: true });
    assert.ok(fast!.size === nested.length && fast!.flags!.has('$Neu') && fast!.internalDate);
    const [all] = await flow.fetchAll({ uid: '2' }, { all: true });
    assert.equal(all!.envelope!.subject, 'äußeres');
    // Its macro FULL is answered with BODY, which it does not read.
    const [full] = await flow.fetchAll('2', { full: true });
    assert.equal(full!.envelope!.subject, 'äußeres');
    const [structured] = await flow.fetchAll('2', { bodyStructure: true });
    const shape = (node: unknown): unknown => {
      const { part, type, childNodes } = node as { part?: string; type: string; childNodes?: unknown[] };
      return [part ?? '', type, ...(childNodes ?? []).map(shape)];
    };
    const inner = ['2', 'multipart/mixed', ['2.1', 'text/plain'], ['2.2', 'application/x-data']];
    assert.deepEqual(shape(structured!.bodyStructure), [
      ...['', 'multipart/mixed', ['1', 'text/plain']],
      ['2', 'message/rfc822', inner],
    ]);
    const whole = await flow.fetchOne('2', {
      source: true,
      headers: true,
      bodyParts: ['2.header', '2.text'],
    });
    assert.ok(whole);
    assert.equal(whole.source!.toString(), nested);
    assert.equal(whole.headers!.toString(), nested.slice(0, nested.indexOf('\r\n\r\n') + 4));
    assert.match(whole.bodyParts!.get('2.header')!.toString(), /^From: c@d\.test\r\nSubject: inner\r\n/);
    const part = await flow.download('2', '2.2', { chunkSize: 700 });
    assert.deepEqual(await buffer(part.content as Readable), Buffer.alloc(3000, 'data'));
    const start = await flow.download('2', undefined, { maxBytes: 20 });
    assert.equal((await buffer(start.content as Readable)).toString(), nested.slice(0, 20));
  }

  /** By message numbers, lists and searches. */
  async function changes(flow: ImapFlow, lines: readonly string[]): Promise<void> {
    assert.equal(await flow.messageFlagsSet([1, 3], ['\\Seen', '$MDNSent'], { silent: true }), true);
    assert.ok(lines.some((line) => /STORE 1,3 FLAGS\.SILENT/.test(line)));
    await flow.setFlagColor({ seen: true }, 'purple');
    const colours = await flow.fetchAll('1:*', { flags: true });
    assert.deepEqual(
      colours.map(({ flagColor }) => flagColor ?? ''),
      ['purple', '', 'purple'],
    );
    const copied = await flow.messageCopy({ seen: true }, ['Archive']);
    assert.ok(copied);
    assert.equal(copied.uidMap!.size, 2);
    const moved = await flow.messageMove('3', 'Trash');
    assert.ok(moved);
    assert.deepEqual([...moved.uidMap!.keys()], [3]);
    assert.equal(await flow.messageDelete({ seen: false }), true);
    assert.deepEqual(await flow.search({ all: true }, { uid: true }), [1]);
  }

  test('logs in every way it knows', async () => {
    const auth = { user: addressOf('bob'), pass: passwordOf('bob') };
    for (const [loginMethod, command] of [
      ['LOGIN', / LOGIN /],
      ['AUTH=LOGIN', / AUTHENTICATE LOGIN/],
      ['AUTH=PLAIN', / AUTHENTICATE PLAIN/],
    ] as const) {
      await using opened = await openImapFlow(server, 'bob', { auth: { ...auth, loginMethod } });
      assert.ok(opened.flow.authenticated);
      assert.ok(
        opened.lines.some((line) => command.test(line)),
        opened.lines.join('\n'),
      );
      const wrong = openImapFlow(server, 'bob', { auth: { ...auth, pass: 'wrong', loginMethod } });
      await assert.rejects(wrong, {
        authenticationFailed: true,
        serverResponseCode: 'AUTHENTICATIONFAILED',
      });
    }
    const loginMethod = 'AUTH=PLAIN';
    await using own = await openImapFlow(server, 'bob', {
      auth: { ...auth, loginMethod, authzid: auth.user },
    });
    assert.ok(own.flow.authenticated);
    const other = { auth: { ...auth, loginMethod, authzid: addressOf('alice') } };
    await assert.rejects(openImapFlow(server, 'bob', other), { authenticationFailed: true });
    const verified = await openImapFlow(server, 'bob', { verifyOnly: true, includeMailboxes: true });
    assert.ok(verified.flow.authenticated);
    assert.ok(verified.lines.some((line) => / LOGOUT$/.test(line)));
  });

  test('idles of its own accord, again and again, and goes on', async () => {
    const options = { disableAutoIdle: false, autoIdleDelay: 20, maxIdleTime: 100 };
    await using opened = await openImapFlow(server, 'carol', options);
    const { flow, lines } = opened;
    await flow.mailboxOpen('INBOX');
    const idles = (): number => lines.filter((line) => / IDLE$/.test(line)).length;
    const idled = (times: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (idles() < times) return;
          flow.off('log', look);
          resolve();
        };
        flow.on('log', look);
        look();
      });
    await idled(3);
    const exists = new Promise<ExistsEvent>((resolve) => flow.once('exists', resolve));
    await storeMessage(server.admin, 'carol', { bytes: numberedMessage(1) });
    assert.equal((await exists).count, 1);
    const one = await flow.fetchOne('1', { envelope: true });
    assert.ok(one && one.envelope?.subject === 'number 1');
    await idled(idles() + 1);
    // Gone without a word while it idles: the next one finds all as it was.
    flow.close();
    await using again = await openImapFlow(server, 'carol');
    assert.equal((await again.flow.mailboxOpen('INBOX')).exists, 1);
  });

  test("works in others' mailboxes, as far as it may", async () => {
    const grant = (mailbox: string, rights: string): Promise<unknown> =>
      server.json(['mailbox', 'acl', 'set', addressOf('bob'), mailbox, addressOf('dave'), rights]);
    await storeMessage(server.admin, 'bob', { bytes: numberedMessage(7), mailbox: 'Projekte/Größe' });
    await grant('Projekte/Größe', 'lrs');
    const path = `Other Users/${addressOf('bob')}/Projekte/Größe`;
    await using opened = await openImapFlow(server, 'dave');
    const { flow } = opened;
    assert.deepEqual(flow.namespaces?.other, [{ prefix: 'Other Users/', delimiter: '/' }]);
    assert.ok((await flow.list()).some((row) => row.path === path));
    assert.equal((await flow.status(path, { messages: true })).messages, 1);
    await using _lock = await opened.lock(path);
    assert.equal(await flow.messageFlagsAdd('1', ['\\Seen']), true);
    assert.equal(await flow.messageFlagsAdd('1', ['\\Flagged']), false);
    await assert.rejects(flow.append(path, numberedMessage(8)), { serverResponseCode: 'NOPERM' });
    assert.equal(await flow.messageMove('1', 'INBOX'), false);
    const copied = await flow.messageCopy('1', 'INBOX');
    assert.ok(copied);
    assert.deepEqual([...copied.uidMap!], [[1, 1]]);
    const [row] = await messagesOf(server.admin, 'bob', 'Projekte/Größe');
    assert.deepEqual(row!.flags, ['\\Seen']);
  });

  test('is told its limits and what was refused', async () => {
    await server.json(['account', 'quota', addressOf('dave'), '--bytes', '10K', '--messages', '20']);
    await using opened = await openImapFlow(server, 'dave');
    const { flow } = opened;
    const quota = await flow.getQuota();
    assert.ok(quota && quota.storage !== undefined && quota.message);
    assert.deepEqual([quota.storage.limit, quota.message.limit], [10 * 1024, 20]);
    const large = `Subject: large\r\n\r\n${'text '.repeat(3000)}\r\n`;
    await assert.rejects(flow.append('INBOX', large), { serverResponseCode: 'OVERQUOTA' });
    await assert.rejects(flow.append('Nowhere', 'Subject: a\r\n\r\n'), { serverResponseCode: 'TRYCREATE' });
    await assert.rejects(flow.getMailboxLock('Nowhere'), { mailboxMissing: true });
    await assert.rejects(flow.mailboxDelete('Nowhere'), { serverResponseCode: 'NONEXISTENT' });
    await assert.rejects(flow.mailboxRename('Sent', 'Drafts'), { serverResponseCode: 'ALREADYEXISTS' });
    await assert.rejects(flow.mailboxDelete('INBOX'), { serverResponseCode: 'CANNOT' });
    // As RFC 9208 section 4.1.2 allows: the root that it would have.
    assert.deepEqual(await flow.getQuota('Nowhere'), { ...quota, path: 'Nowhere' });
    // Still in order after all that.
    assert.ok((await flow.mailboxOpen('INBOX')).appendlimit === undefined);
    assert.ok((flow.capabilities.get('APPENDLIMIT') as number) > 0);
  });
});
