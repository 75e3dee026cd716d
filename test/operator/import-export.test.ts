// rookery import and export: what goes in comes out byte for byte, with flags, keywords, dates and folders, through each format;
// an import that breaks off says how to go on.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { bytesOf, mailboxesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, rookeryCommand, ServerProcess } from '../server-process.ts';

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
        alreadyThere: 0,
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
    assert.match(broken.stderr, /c\.eml: .*\n2 of 4 messages are in the account; .*run it again: .*--skip 2/);
    await server.json(['account', 'quota', addressOf(user), '--messages', 'none']);
    const skipped = { account: addressOf(user), imported: 2, alreadyThere: 0 };
    assert.deepEqual(await server.json([...args, '--skip', '2']), skipped);
    const texts = (await contentOf(user)).map(({ text }) => text.slice(9, 10));
    assert.deepEqual(texts.sort(), ['a', 'b', 'c', 'd']);
  });

  test('what is in the mailbox already, byte for byte, is left as it is', async () => {
    await using _removed = folder;
    await mkdir(folder.at('eml', 'below'), { recursive: true });
    const large = `Subject: large\r\n\r\n${'0123456789abcdef\r\n'.repeat(20_000)}`;
    await writeFile(folder.at('eml', 'one.eml'), 'Subject: one\r\n\r\n1\r\n');
    await writeFile(folder.at('eml', 'twin.eml'), 'Subject: one\r\n\r\n1\r\n');
    await writeFile(folder.at('eml', 'large.eml'), large);
    const user = await newAccount();
    const account = addressOf(user);
    const imports = (...more: string[]): Promise<object> =>
      importInto(user, 'eml', folder.at('eml'), ...more);
    assert.deepEqual(await imports(), { account, imported: 2, alreadyThere: 1 });
    const before = await contentOf(user);
    assert.deepEqual(await imports(), { account, imported: 0, alreadyThere: 3 });
    assert.deepEqual(await contentOf(user), before);
    // As large and other bytes; the same bytes in another mailbox.
    await writeFile(folder.at('eml', 'other.eml'), 'Subject: one\r\n\r\n2\r\n');
    await writeFile(folder.at('eml', 'below', 'one.eml'), 'Subject: one\r\n\r\n1\r\n');
    assert.deepEqual(await imports(), { account, imported: 2, alreadyThere: 3 });
    assert.equal((await messagesOf(server.admin, user, 'below')).length, 1);
    // With no room for more: nothing needs any.
    await server.json(['account', 'quota', account, '--messages', '4', '--bytes', String(large.length)]);
    assert.deepEqual(await imports(), { account, imported: 0, alreadyThere: 5 });
    await server.json(['account', 'quota', account, '--messages', 'none', '--bytes', 'none']);
    assert.deepEqual(await imports('--duplicates'), { account, imported: 5, alreadyThere: 0 });
    assert.equal((await contentOf(user)).length, 9);
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

/** Three folders of a maildir. */
async function makeMaildir(path: string, messages: number): Promise<void> {
  for (const at of ['cur', '.Sent/cur', '.Sent.Old/cur']) await mkdir(join(path, at), { recursive: true });
  for (let number = 0; number < messages; number++) {
    const at = ['cur', '.Sent/cur', '.Sent.Old/cur'][number % 3]!;
    await writeFile(join(path, at, `${1_000 + number}.host:2,`), numberedMessage(number));
  }
}

test('an import that is interrupted, killed, or whose server is started again: run again, each message is there once', async () => {
  await using folder = await makeTemporaryFolder();
  const messages = 300;
  await makeMaildir(folder.at('mail'), messages);
  const data = folder.at('data');
  let server = await ServerProcess.start({ data, accounts: ['alice'] });
  const args = ['import', 'maildir', folder.at('mail'), '--account', addressOf('alice')];
  const stored = async (): Promise<number> => {
    const mailboxes = await mailboxesOf(server.admin, 'alice');
    return mailboxes.reduce((sum, mailbox) => sum + mailbox.messages, 0);
  };
  /** Begins an import, and interrupts it once so many messages are there. */
  const interruptAt = async (count: number, interrupt: (child: ChildProcess) => Promise<void>) => {
    const all = [rookeryCommand, '--data', data, ...args];
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    const exited = once(child, 'exit');
    while ((await stored()) < count && child.exitCode === null) await turn();
    assert.equal(child.exitCode, null, 'the import was done before it could be interrupted');
    await interrupt(child);
    await exited;
    assert.notEqual(child.exitCode, 0);
  };
  try {
    await interruptAt(20, async (child) => void child.kill('SIGKILL'));
    await interruptAt(60, async (child) => void child.kill('SIGINT'));
    await interruptAt(120, async () => {
      await server[Symbol.asyncDispose]();
      server = await ServerProcess.start({ data });
    });
    const before = await stored();
    assert.ok(before >= 120 && before < messages, `${before} messages before the last run`);
    const last = await server.json<{ imported: number; alreadyThere: number }>(args);
    assert.deepEqual(last, {
      account: addressOf('alice'),
      imported: messages - before,
      alreadyThere: before,
    });
    const texts: string[] = [];
    for (const mailbox of ['INBOX', 'Sent', 'Sent/Old'])
      for (const { uid } of await messagesOf(server.admin, 'alice', mailbox))
        texts.push((await bytesOf(server.admin, 'alice', { mailbox, uid })).toString());
    const wanted = Array.from({ length: messages }, (_, number) => numberedMessage(number));
    assert.deepEqual(texts.sort(), wanted.sort());
    await server.stop();
  } finally {
    await server[Symbol.asyncDispose]();
  }
});
