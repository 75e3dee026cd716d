// rookery import and export: what goes in comes out byte for byte, with flags, keywords, dates and folders, through each format;
// an import that breaks off says how to go on.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { bytesOf, mailboxesOf, messagesOf, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, ServerProcess } from '../server-process.ts';

interface Kept {
  readonly mailbox: string;
  readonly flags: readonly string[];
  readonly date: number;
  readonly text: string;
}

const eightBit = Buffer.from('Subject: eight bit\r\n\r\nGr\xfc\xdfe \x00\x01\r\n', 'latin1').toString(
  'latin1',
);
/** What formats stumble over: no newline at the end, lines with From and dots, bare newlines, no header, no body, nothing. */
const stored: readonly Kept[] = [
  { mailbox: 'INBOX', flags: [], date: 1_600_000_000, text: 'Subject: plain\r\n\r\ntext\r\n' },
  { mailbox: 'INBOX', flags: ['\\Seen', '\\Answered'], date: 1_600_000_001, text: eightBit },
  {
    mailbox: 'INBOX',
    flags: ['$Label1', '\\Flagged', 'custom'],
    date: 1_600_000_002,
    text: 'Subject: from\r\n\r\nFrom here\r\n>From there\r\n.\r\n..\r\n\r\nFrom \r\n',
  },
  { mailbox: 'INBOX', flags: ['\\Draft'], date: 1_600_000_003, text: 'Subject: no newline\r\n\r\nend' },
  { mailbox: 'Sent', flags: ['\\Seen'], date: 1_600_000_004, text: 'Subject: only a header\r\n\r\n' },
  { mailbox: 'Räume/Größe', flags: [], date: 1_600_000_005, text: 'Subject: deep\r\n\r\ndeep\r\n' },
  { mailbox: 'Räume/Größe', flags: ['\\Deleted'], date: 1_600_000_006, text: 'no header at all\r\n' },
];

/** A blank line ends a message in an mbox, so a last line without its end gets one. */
function asMboxKeeps(kept: Kept): Kept {
  return kept.text.endsWith('\r\n') ? kept : { ...kept, text: `${kept.text}\r\n` };
}

function sorted(rows: readonly Kept[]): Kept[] {
  const flagged = rows.map((row) => ({ ...row, flags: [...row.flags].sort() }));
  return flagged.sort((one, other) => one.date - other.date);
}

describe('import and export', () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  let accounts = 0;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
    for (const { mailbox, flags, date, text } of stored) {
      const bytes = Buffer.from(text, 'latin1');
      await storeMessage(server.admin, 'alice', { bytes, mailbox, flags, date });
    }
  });
  after(() => server.stop());
  beforeEach(async () => {
    folder = await makeTemporaryFolder();
  });

  const contentOf = async (user: string): Promise<Kept[]> => {
    const kept: Kept[] = [];
    for (const { name: mailbox } of await mailboxesOf(server.admin, user)) {
      for (const { uid, flags, internalDate: date } of await messagesOf(server.admin, user, mailbox)) {
        const text = (await bytesOf(server.admin, user, { mailbox, uid })).toString('latin1');
        kept.push({ mailbox, flags, date, text });
      }
    }
    return sorted(kept);
  };
  const newAccount = async (): Promise<string> => {
    const user = `user${++accounts}`;
    await server.json(['account', 'add', addressOf(user), '--no-password']);
    return user;
  };
  const importInto = (user: string, format: string, path: string, ...more: string[]): Promise<object> =>
    server.json(['import', format, path, '--account', addressOf(user), ...more]);

  for (const format of ['maildir', 'mbox']) {
    test(`${format}: out and in again`, async () => {
      await using _removed = folder;
      const exported = await server.json<{ exported: number }>([
        ...['export', format, folder.at('out'), '--account', addressOf('alice')],
      ]);
      assert.equal(exported.exported, stored.length);
      const user = await newAccount();
      assert.deepEqual(await importInto(user, format, folder.at('out')), {
        account: addressOf(user),
        imported: stored.length,
      });
      assert.deepEqual(await contentOf(user), sorted(format === 'mbox' ? stored.map(asMboxKeeps) : stored));
      const again = await server.rookery([
        ...['export', format, folder.at('out'), '--account', addressOf('alice')],
      ]);
      assert.equal(again.code, exitCodes.failure);
      assert.match(again.stderr, /is not empty: name a new directory/);
    });
  }

  test('a maildir as other programs write it', async () => {
    await using _removed = folder;
    const message = async (place: string, name: string, date: number): Promise<void> => {
      await mkdir(folder.at('mail', place), { recursive: true });
      await writeFile(folder.at('mail', place, name), `Subject: ${name}\n\nbody\n`);
      await utimes(folder.at('mail', place, name), date, date);
    };
    await message('cur', '1.a.host:2,FS', 1_500_000_000);
    await message('new', '2.b.host', 1_500_000_001);
    await message('.Sent.2025/cur', '3.c.host:2,Sa', 1_500_000_002);
    await writeFile(folder.at('mail', '.Sent.2025', 'dovecot-keywords'), '0 $Forwarded\n');
    const user = await newAccount();
    await importInto(user, 'maildir', folder.at('mail'));
    const text = (name: string): string => `Subject: ${name}\r\n\r\nbody\r\n`;
    assert.deepEqual(await contentOf(user), [
      { mailbox: 'INBOX', flags: ['\\Flagged', '\\Seen'], date: 1_500_000_000, text: text('1.a.host:2,FS') },
      { mailbox: 'INBOX', flags: [], date: 1_500_000_001, text: text('2.b.host') },
      {
        mailbox: 'Sent/2025',
        flags: ['$Forwarded', '\\Seen'],
        date: 1_500_000_002,
        text: text('3.c.host:2,Sa'),
      },
    ]);
  });

  test('eml files, into the folder that is named', async () => {
    await using _removed = folder;
    await mkdir(folder.at('eml', 'below'), { recursive: true });
    await writeFile(folder.at('eml', 'one.eml'), 'Subject: one\r\n\r\n1\r\n');
    await writeFile(folder.at('eml', 'below', 'two.eml'), 'Subject: two\n\n2\n');
    const user = await newAccount();
    await writeFile(folder.at('eml', 'readme.txt'), 'no message\n');
    await importInto(user, 'eml', folder.at('eml'));
    assert.equal((await messagesOf(server.admin, user)).length, 1);
    assert.equal((await messagesOf(server.admin, user, 'below')).length, 1);
    await importInto(user, 'eml', folder.at('eml', 'one.eml'), '--mailbox', 'Elsewhere/Here');
    const made = (await mailboxesOf(server.admin, user)).filter(({ name }) =>
      ['below', 'Elsewhere/Here'].includes(name),
    );
    assert.deepEqual(
      made.map(({ subscribed }) => subscribed),
      [true, true],
      'mail programs show what is subscribed to',
    );
    assert.equal((await messagesOf(server.admin, user, 'Elsewhere/Here')).length, 1);
  });

  test('an import that breaks off says how to go on', async () => {
    await using _removed = folder;
    await mkdir(folder.at('eml'));
    for (const name of ['a', 'b', 'c', 'd']) {
      await writeFile(folder.at('eml', `${name}.eml`), `Subject: ${name}\r\n\r\n${name}\r\n`);
    }
    const user = await newAccount();
    await server.json(['account', 'quota', addressOf(user), '--messages', '2']);
    const args = ['import', 'eml', folder.at('eml'), '--account', addressOf(user)];
    const broken = await server.rookery(args);
    assert.equal(broken.code, exitCodes.failure);
    assert.match(broken.stderr, /c\.eml: .*\n2 of 4 messages were imported; .*--skip 2/);
    await server.json(['account', 'quota', addressOf(user), '--messages', 'none']);
    assert.deepEqual(await server.json([...args, '--skip', '2']), { account: addressOf(user), imported: 2 });
    const texts = (await contentOf(user)).map(({ text }) => text.slice(9, 10));
    assert.deepEqual(texts.sort(), ['a', 'b', 'c', 'd']);
  });

  test('what is not there', async () => {
    await using _removed = folder;
    const nowhere = ['import', 'maildir', folder.at('none'), '--account', addressOf('alice')];
    const ended = await server.rookery(nowhere);
    assert.equal(ended.code, exitCodes.failure);
    assert.match(ended.stderr, /none/);
    await mkdir(folder.at('mail', 'cur'), { recursive: true });
    await writeFile(folder.at('mail', 'cur', 'x'), 'Subject: x\n\n');
    const nobody = ['import', 'maildir', folder.at('mail'), '--account', addressOf('nobody')];
    const unknown = await server.rookery(nobody);
    assert.equal(unknown.code, exitCodes.notFound);
    assert.match(unknown.stderr, /^rookery: there is no account nobody@example\.test; .*\n$/);
    const skipping = await server.rookery([...nobody, '--skip', 'some']);
    assert.equal(skipping.code, exitCodes.usage);
    assert.match(skipping.stderr, /'some' is invalid\. expected a number/);
    const nothing = ['import', 'eml', folder.at('mail'), '--account', addressOf('alice')];
    assert.match((await server.rookery(nothing)).stderr, /has no \.eml files in it/);
    const exported = await server.rookery([
      'export',
      'mbox',
      folder.at('x'),
      '--account',
      addressOf('nobody'),
    ]);
    assert.equal(exported.code, exitCodes.notFound);
  });

  test('mbox files can be read by other programs', async () => {
    await using _removed = folder;
    await server.json(['export', 'mbox', folder.at('out'), '--account', addressOf('alice')]);
    const files = (await readdir(folder.at('out'), { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile(),
    );
    const inbox = files.find(({ name }) => /inbox/i.test(name))!;
    const text = await readFile(join(inbox.parentPath, inbox.name), 'latin1');
    assert.equal(text.match(/^From \S+ \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm)?.length, 4);
  });
});
