// BODY.PEEK[HEADER.FIELDS (…)] of many messages, which is answered from what is kept of the fields: the same bytes, first and
// again, as a part of each message that begins at its start, which is cut out of the message.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort, AccountPorts } from '../../src/account/port.ts';
import { newOperation } from '../../src/account/testing.ts';
import type { MailboxId } from '../../src/mail/ids.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';

const sections = [
  'HEADER.FIELDS (FROM TO SUBJECT DATE)',
  'HEADER.FIELDS.NOT (Received Subject Content-Type)',
  'HEADER.FIELDS (X-Nobody-Has-This)',
];

/** Messages of one client in a mailbox of their own; one append each hundred. */
async function fill(a: ImapClient, messages: readonly string[]): Promise<void> {
  await a.send('CREATE many').ok();
  for (let at = 0; at < messages.length; at += 100) {
    const texts = messages.slice(at, at + 100).map((text) => `{${text.length}+}\r\n${text}`);
    await a.send(`APPEND many ${texts.join(' ')}`).ok();
  }
  await a.send('SELECT many').ok();
}

/** The answers to a FETCH of a section and of the same from its first byte on, without what the labels differ in. */
async function bothWays(a: ImapClient, command: string, section: string, more: string): Promise<string[]> {
  const kept = await a.send(`${command} (${more}BODY.PEEK[${section}])`).ended();
  const cut = await a.send(`${command} (${more}BODY.PEEK[${section}]<0.4294967295>)`).ended();
  const expected = cut.untagged.map((line) => line.replace(/\]<0> (?=\{|NIL)/, '] '));
  assert.deepEqual(kept.untagged, expected);
  assert.deepEqual([kept.status, kept.code], [cut.status, cut.code]);
  return [...kept.untagged, `${kept.status} ${kept.code}`];
}

test('the fields of nasty messages and of many are what a part of each message is', async () => {
  await using server = await openImapServer({}, { acceptsRawHeaders: true });
  const a = await server.alice();
  const nasty = corpusMessages().map(({ bytes }) => bytes.toString('latin1').replaceAll('\0', ' '));
  const plain = Array.from({ length: 560 }, (_, at) => mail(`number ${at}`, 'y'.repeat(at % 7)));
  const long = `Subject: long\r\nX-Long: ${'l'.repeat(20_000)}\r\n\r\ntext\r\n`;
  await fill(a, [...plain.slice(0, 300), ...nasty.filter((text) => text !== ''), long, ...plain.slice(300)]);
  for (const section of sections) {
    const first = await bothWays(a, 'FETCH 1:*', section, '');
    assert.ok(first.length > 561);
    assert.deepEqual(await bothWays(a, 'FETCH 1:*', section, ''), first);
    await bothWays(a, 'FETCH 3,255:258,400,513', section, 'FLAGS UID ');
    await bothWays(a, 'UID FETCH 1:20,600:*', section, 'RFC822.SIZE EMAILID ');
  }
  await a.append('many', mail('the last one')).ok();
  const last = await bothWays(a, 'FETCH *', sections[0]!, '');
  assert.match(last.join(), /Subject: the last one\r\n/);
});

test('messages that others expunged are passed over, before and behind those that are there', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  await fill(
    a,
    Array.from({ length: 9 }, (_, at) => mail(`number ${at + 1}`)),
  );
  const section = sections[0]!;
  assert.equal((await bothWays(a, 'FETCH 1:*', section, '')).length, 10);
  await b.send('SELECT many').ok();
  await b.send('STORE 1,4:5,9 +FLAGS.SILENT (\\Deleted)').ok();
  await b.send('EXPUNGE').ok();
  const told = await bothWays(a, 'FETCH 1:*', section, 'UID ');
  assert.equal(told.at(-1), 'NO EXPUNGEISSUED');
  assert.deepEqual(
    told.slice(0, -1).map((line) => /^\* (\d+) FETCH \(UID (\d+)/.exec(line)?.slice(1)),
    ['2', '3', '6', '7', '8'].map((number) => [number, number]),
  );
  // No numbers were used: that they are gone is told behind the answers.
  const { untagged } = await a.send(`UID FETCH 1:* BODY.PEEK[${section}]`).ok();
  assert.deepEqual(
    untagged.map((line) => line.slice(0, 11)),
    [2, 3, 6, 7, 8]
      .map((number) => `* ${number} FETCH (`)
      .concat([1, 3, 3, 6].map((at) => `* ${at} EXPUNGE`)),
  );
});

test('a message that goes while the fields are read is passed over', async () => {
  await using harness = await openHarness();
  let before = async (_: AccountPort, __: MailboxId): Promise<void> => {};
  const open = async (...asked: Parameters<AccountPorts['open']>): Promise<AccountPort> => {
    const port = await harness.accounts.open(...asked);
    const readHeaderFields: AccountPort['readHeaderFields'] = async (mailboxId, ...rest) => {
      await before(port, mailboxId);
      return port.readHeaderFields(mailboxId, ...rest);
    };
    return new Proxy(port, {
      get(target, name) {
        if (name === 'readHeaderFields') return readHeaderFields;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const { port } = await harness.listen(imapFor(harness, { accounts: { open } }));
  using a = await ImapClient.login(port, 'alice');
  await fill(a, [mail('one'), mail('two'), mail('three')]);
  before = async (account, mailboxId) => {
    const uids = Uint32Array.of(2);
    await account.expunge({ operation: newOperation(), mailboxId, uids, anyFlags: true });
  };
  const { untagged } = await a.send('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X)])').no('EXPUNGEISSUED');
  const empty = 'BODY[HEADER.FIELDS (X)] {2}\r\n\r\n';
  assert.deepEqual(untagged, [`* 1 FETCH (UID 1 ${empty})`, `* 3 FETCH (UID 3 ${empty})`]);
});

test('UIDONLY, \\Seen without PEEK, and CHANGEDSINCE with fields', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await fill(a, [mail('one'), mail('two'), mail('three')]);
  const value = (subject: string): string => `{${subject.length + 13}}\r\nSubject: ${subject}\r\n\r\n`;
  await a
    .send('FETCH 2 BODY[HEADER.FIELDS (SUBJECT)]')
    .tells(`* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT)] ${value('two')} FLAGS (\\Seen \\Recent))`);
  const { untagged } = await a.send('FETCH 2 (MODSEQ)').ok();
  const modSeq = Number(/MODSEQ \((\d+)\)/.exec(untagged.join())![1]);
  await a
    .send(`FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) (CHANGEDSINCE ${modSeq - 1})`)
    .tells(`* 2 FETCH (UID 2 BODY[HEADER.FIELDS (SUBJECT)] ${value('two')} MODSEQ (${modSeq}))`);
  await a.send('ENABLE UIDONLY').ok();
  await a
    .send('UID FETCH 3 (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
    .tells(`* 3 UIDFETCH (BODY[HEADER.FIELDS (SUBJECT)] ${value('three')})`);
});
