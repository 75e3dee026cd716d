import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeMailboxName, encodeMailboxName } from '../../wire/imap/mailbox-name.ts';
import { openEml } from './eml.ts';
import { MaildirWriter, openMaildir } from './maildir.ts';
import { MboxWriter, openMbox } from './mbox.ts';
import { type StoredMessage, toNetworkNewlines, toUnixNewlines } from './stored-message.ts';

const decode = (name: string): string => decodeMailboxName(name, false) ?? name;
const encode = (name: string): string => encodeMailboxName(name, false);
const fresh = (): string => mkdtempSync(join(tmpdir(), 'rookery-mailstore-'));

function message(mailbox: string, flags: string[], text: string): StoredMessage {
  return { mailbox, flags, date: 1_700_000_000, bytes: Buffer.from(text, 'latin1'), source: '' };
}

const samples: readonly StoredMessage[] = [
  message('INBOX', ['\\Seen', '\\Flagged', '$Label1'], 'Subject: a\r\n\r\nFrom here on\r\n>From there\r\n'),
  message('INBOX', [], 'Subject: no end of line\r\n\r\nlast'),
  message(
    'Work/Geschäft',
    ['\\Answered', '\\Draft', '\\Deleted', 'Später'],
    'Subject: b\r\n\r\n8-bit \xe4\xff\r\n\r\n',
  ),
];

async function all(messages: AsyncIterable<StoredMessage>): Promise<StoredMessage[]> {
  const found = await Array.fromAsync(messages);
  return found
    .map((one) => ({ ...one, flags: [...one.flags].sort(), source: '' }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

function expected(): StoredMessage[] {
  return samples
    .map((one) => ({ ...one, flags: [...one.flags].sort() }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
}

test('what is exported as maildir is imported byte for byte, with flags, keywords, folders and dates', async () => {
  const path = fresh();
  const writer = new MaildirWriter(path, encode);
  for (const mailbox of ['INBOX', 'Work/Geschäft']) await writer.addMailbox(mailbox);
  for (const one of samples) await writer.write(one);
  await writer.finish();
  const source = await openMaildir(path, decode);
  assert.equal(source.total, 3);
  assert.deepEqual(await all(source.messages()), expected());
});

test('what is exported as mbox is imported byte for byte but for a missing last line end', async () => {
  const path = fresh();
  const writer = new MboxWriter(path);
  for (const mailbox of ['INBOX', 'Work/Geschäft']) await writer.addMailbox(mailbox);
  for (const one of samples) await writer.write(one);
  const source = await openMbox(path);
  assert.equal(source.total, 3);
  const ended = expected().map((one) => ({
    ...one,
    bytes: one.bytes.toString('latin1').endsWith('\n')
      ? one.bytes
      : Buffer.concat([one.bytes, Buffer.from('\r\n')]),
  }));
  assert.deepEqual(await all(source.messages()), ended);
  assert.match(readFileSync(join(path, 'INBOX.mbox'), 'latin1'), /^>From here on$/m);
  assert.match(readFileSync(join(path, 'INBOX.mbox'), 'latin1'), /^>>From there$/m);
});

test('a maildir of another server: new, cur, Dovecot keywords, nested folders in modified UTF-7', async () => {
  const path = fresh();
  for (const part of ['cur', 'new', 'tmp', '.Lists.Z&APw-rich/cur', '.Lists.Z&APw-rich/new'])
    mkdirSync(join(path, part), { recursive: true });
  writeFileSync(join(path, 'dovecot-keywords'), '0 NonJunk\n1 $Forwarded\n');
  writeFileSync(join(path, 'cur', '1.a:2,FRSab'), 'Subject: one\n\nbody\n');
  writeFileSync(join(path, '.Lists.Z&APw-rich', 'new', '2.b'), 'Subject: two\n\n');
  utimesSync(join(path, 'cur', '1.a:2,FRSab'), 1_600_000_000, 1_600_000_000);
  const found = await Array.fromAsync((await openMaildir(path, decode)).messages());
  assert.deepEqual(
    found.map(({ mailbox, flags }) => ({ mailbox, flags })),
    [
      { mailbox: 'INBOX', flags: ['\\Flagged', '\\Answered', '\\Seen', 'NonJunk', '$Forwarded'] },
      { mailbox: 'Lists/Zürich', flags: [] },
    ],
  );
  assert.equal(found[0]!.date, 1_600_000_000);
  assert.equal(found[0]!.bytes.toString(), 'Subject: one\r\n\r\nbody\r\n');
});

test('an mbox of another program: a From line inside a paragraph does not separate', async () => {
  const file = join(fresh(), 'old');
  writeFileSync(
    file,
    'From a@b Sat Jan  3 01:05:34 2026\nStatus: RO\nX-Status: F\nSubject: x\n\nline\nFrom inside\n\nFrom c@d Sun Jan  4 01:05:34 2026\nSubject: y\n\n\n',
  );
  const found = await Array.fromAsync((await openMbox(file)).messages());
  assert.deepEqual(
    found.map((one) => one.bytes.toString()),
    ['Subject: x\r\n\r\nline\r\nFrom inside\r\n', 'Subject: y\r\n\r\n'],
  );
  assert.deepEqual(found[0]!.flags, ['\\Seen', '\\Flagged']);
  assert.equal(found[0]!.date, Date.UTC(2026, 0, 3, 1, 5, 34) / 1000);
});

test('a file that is no mbox is refused', async () => {
  const file = join(fresh(), 'picture');
  writeFileSync(file, 'PNG\n');
  await assert.rejects(openMbox(file), /is no mbox/);
});

test('a directory of .eml files: directories are mailboxes', async () => {
  const path = fresh();
  mkdirSync(join(path, 'Old'));
  writeFileSync(join(path, 'a.eml'), 'Subject: a\r\n\r\n');
  writeFileSync(join(path, 'Old', 'b.eml'), 'Subject: b\n\n');
  const found = await Array.fromAsync((await openEml(path)).messages());
  assert.deepEqual(
    found.map((one) => [one.mailbox, one.bytes.toString()]),
    [
      ['Old', 'Subject: b\r\n\r\n'],
      ['INBOX', 'Subject: a\r\n\r\n'],
    ],
  );
});

test('line ends: only what can be turned back exactly is turned', () => {
  const mixed = Buffer.from('a\r\nb\nc');
  assert.equal(toUnixNewlines(mixed), mixed);
  assert.equal(toNetworkNewlines(mixed), mixed);
  assert.equal(toNetworkNewlines(Buffer.from('a\nb\n')).toString(), 'a\r\nb\r\n');
  assert.equal(toUnixNewlines(Buffer.from('a\r\nb\r\n')).toString(), 'a\nb\n');
});
