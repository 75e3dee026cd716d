// offlineimap: a whole account with nested folders and names beyond ASCII kept in step with a maildir tree, both ways, over
// TLS that checks the certificate; it says itself what it did, and a second run does nothing.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bytesOf, mailboxesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, missingPrograms, runWell, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const messages = 300;
const nested = 'Projekte/Räume/Größe';
/** Message n lies in the mailbox at n modulo their number. */
const mailboxes = ['INBOX', nested, 'Projekte', '資料 & more'] as const;

function configuration(server: ServerProcess, folder: TemporaryFolder): string {
  return `
[general]
accounts = all
metadata = ${folder.path}/state
maxsyncaccounts = 1
[Account all]
localrepository = near
remoterepository = far
utf8foldernames = yes
[Repository near]
type = Maildir
localfolders = ${folder.path}/mail
sep = /
sync_deletes = yes
[Repository far]
type = IMAP
remotehost = localhost
remoteport = ${server.ports.imaps}
ssl = yes
sslcacertfile = ${server.certificateFile}
remoteuser = ${addressOf('alice')}
remotepass = ${passwordOf('alice')}
maxconnections = 2
expunge = yes
`;
}

const mailboxOf = (number: number): string => mailboxes[number % mailboxes.length]!;
const numbersOf = (mailbox: string): number[] =>
  Array.from({ length: messages }, (_, number) => number).filter((number) => mailboxOf(number) === mailbox);
const flagsOf = (number: number): string[] =>
  number % 3 === 0 ? ['\\Seen'] : number % 7 === 0 ? ['\\Answered', '\\Flagged'] : [];

async function fileNames(mailbox: string): Promise<string[]> {
  const parts = ['cur', 'new'].map(async (part) =>
    (await readdir(join(mailbox, part))).map((name) => join(part, name)),
  );
  return (await Promise.all(parts)).flat();
}

const uidOf = (name: string): number => Number(/,U=(\d+)/.exec(name)![1]);
const letterOf: Readonly<Record<string, string>> = { '\\Seen': 'S', '\\Answered': 'R', '\\Flagged': 'F' };
const lettersOf = (flags: readonly string[]): string =>
  flags
    .map((flag) => letterOf[flag]!)
    .sort()
    .join('');

describe('offlineimap', { skip: missingPrograms('offlineimap') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice'] });
    await writeFile(folder.at('offlineimaprc'), configuration(server, folder), { mode: 0o600 });
    // In the order of their numbers: one by one, so that their UIDs are too.
    for (let number = 0; number < messages; number++)
      await storeMessage(server.admin, 'alice', {
        bytes: numberedMessage(number),
        mailbox: mailboxOf(number),
        flags: flagsOf(number),
      });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  /** What it says it did, counted by kind. */
  const synchronise = async (): Promise<Record<string, number>> => {
    const args = ['-o', '-1', '-u', 'basic', '-c', folder.at('offlineimaprc')];
    const { stdout, stderr } = await runWell('offlineimap', args, { env: { HOME: folder.path } });
    const told = stdout + stderr;
    assert.doesNotMatch(told, /ERROR|WARNING/, told);
    const counts: Record<string, number> = {};
    const work = /^(?:Creating folder|Copy message|(?:Adding|Deleting) flag|Deleting \d+ messages)/gm;
    for (const [kind] of told.matchAll(work)) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  };
  const near = (mailbox: string): string => folder.at('mail', mailbox);
  const moved = (mailbox: string, name: string, letters: string): Promise<void> => {
    const bare = name.replace(/^(?:cur|new)\//, '').replace(/:2,.*$/, '');
    return rename(join(near(mailbox), name), join(near(mailbox), 'cur', `${bare}:2,${letters}`));
  };

  test(`fetches ${messages} messages of nested folders, with their flags`, async () => {
    assert.equal((await synchronise())['Copy message'], messages);
    for (const mailbox of mailboxes) {
      const names = await fileNames(near(mailbox));
      const numbers = numbersOf(mailbox);
      assert.equal(names.length, numbers.length, mailbox);
      for (const name of names) {
        const number = numbers[uidOf(name) - 1]!;
        const text = await readFile(join(near(mailbox), name), 'latin1');
        // It keeps Unix newlines.
        assert.equal(
          text.replace(/^X-OfflineIMAP: .*\n/m, ''),
          numberedMessage(number).replaceAll('\r\n', '\n'),
        );
        assert.equal(/:2,(.*)$/.exec(name)?.[1] ?? '', lettersOf(flagsOf(number)), name);
      }
    }
  });

  test('has nothing to do a second time', async () => {
    assert.deepEqual(await synchronise(), {});
  });

  test('takes what changed here', async () => {
    const [flagged, unflagged, removed] = await Promise.all(
      [5, 9, 21].map(async (number) => {
        const uid = numbersOf(nested).indexOf(number) + 1;
        return (await fileNames(near(nested))).find((name) => uidOf(name) === uid)!;
      }),
    );
    await moved(nested, flagged!, 'FS');
    await moved(nested, unflagged!, '');
    await rm(join(near(nested), removed!));
    for (const part of ['cur', 'new', 'tmp'])
      await mkdir(join(near('Neu'), 'Größer', part), { recursive: true });
    for (const part of ['cur', 'new', 'tmp']) await mkdir(join(near('Neu'), part), { recursive: true });
    const written = 'From: me@example.test\nSubject: from here\n\nwritten locally\n';
    await writeFile(join(near('Neu'), 'Größer', 'cur', '1700000000.1.host:2,RS'), written);

    const { 'Copy message': copied, ...changed } = await synchronise();
    assert.equal(copied, 1);
    // Two folders, the upper one asked for twice.
    const flagChanges = { 'Adding flag': 2, 'Deleting flag': 1 };
    assert.deepEqual(changed, { 'Creating folder': 3, 'Deleting 1 messages': 1, ...flagChanges });
    const [local] = await messagesOf(server.admin, 'alice', 'Neu/Größer');
    assert.deepEqual([...local!.flags].sort(), ['\\Answered', '\\Seen']);
    const uploaded = await bytesOf(server.admin, 'alice', { mailbox: 'Neu/Größer', uid: local!.uid });
    const text = uploaded.toString('latin1').replace(/^X-OfflineIMAP: .*\r\n/m, '');
    assert.equal(text, written.replaceAll('\n', '\r\n'));
    const rows = await messagesOf(server.admin, 'alice', nested);
    assert.equal(rows.length, numbersOf(nested).length - 1);
    const flags = (name: string): string[] | undefined =>
      rows.find(({ uid }) => uid === uidOf(name))?.flags.toSorted();
    assert.deepEqual(flags(flagged!), ['\\Flagged', '\\Seen']);
    assert.deepEqual(flags(unflagged!), []);
    assert.equal(flags(removed!), undefined);
    assert.deepEqual(await synchronise(), {});
  });

  test('takes what changed there', async () => {
    const script = `
import imaplib, sys
c = imaplib.IMAP4('127.0.0.1', ${server.ports.imap})
c.login('${addressOf('alice')}', '${passwordOf('alice')}')
c.select('INBOX')
c.uid('STORE', '2', '+FLAGS', '(\\\\Flagged)')
c.uid('STORE', '1', '-FLAGS', '(\\\\Seen)')
c.uid('STORE', '3:5', '+FLAGS', '(\\\\Deleted)')
c.expunge()
c.logout()
`;
    await runWell('python3', ['-c', script]);
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(5000), mailbox: 'Ferne/Länder' });
    const there = { 'Creating folder': 2, 'Copy message': 1 };
    const flagChanges = { 'Adding flag': 1, 'Deleting flag': 1 };
    assert.deepEqual(await synchronise(), { ...there, 'Deleting 3 messages': 1, ...flagChanges });
    const names = await fileNames(near('INBOX'));
    assert.equal(names.length, numbersOf('INBOX').length - 3);
    const letters = (wanted: number): string | undefined =>
      /:2,(.*)$/.exec(names.find((name) => uidOf(name) === wanted)!)?.[1];
    assert.deepEqual([letters(1), letters(2)], ['', 'F']);
    assert.ok(!names.some((name) => [3, 4, 5].includes(uidOf(name))));
    assert.equal((await fileNames(near('Ferne/Länder'))).length, 1);
    assert.deepEqual(await synchronise(), {});
    const paths = (await mailboxesOf(server.admin, 'alice')).map(({ name }) => name);
    for (const path of [...mailboxes, 'Neu/Größer', 'Ferne/Länder']) assert.ok(paths.includes(path), path);
  });
});
