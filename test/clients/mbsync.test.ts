// mbsync (isync): a whole account synchronised with a maildir tree, both ways, over TLS that checks the certificate; a
// second run finds nothing to do, and what changes on one side is on the other after the next. Debian's version (1.4) knows neither
// CONDSTORE nor QRESYNC; it uses UIDPLUS, NAMESPACE, LITERAL+ and COMPRESS=DEFLATE.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bytesOf, mailboxesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, missingPrograms, runWell, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const messages = 1000;
/** Appends that wait for an answer at the same time: they share flushes. */
const atOnce = 8;

function configuration(server: ServerProcess, folder: TemporaryFolder, tls = true): string {
  return `
IMAPAccount rookery
Host localhost
Port ${tls ? server.ports.imaps : server.ports.imap}
User ${addressOf('alice')}
Pass "${passwordOf('alice')}"
SSLType ${tls ? 'IMAPS' : 'None'}
SystemCertificates no
CertificateFile ${server.certificateFile}

IMAPStore far
Account rookery

MaildirStore near
Path ${folder.path}/mail/
Inbox ${folder.path}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState ${folder.path}/state/

IMAPStore others
Account rookery
UseNamespace no
Path "Other Users/"

MaildirStore nearothers
Path ${folder.path}/others/
SubFolders Verbatim

Channel shared
Far :others:
Near :nearothers:
Pattern "bob*"
Create Near
Remove None
Expunge Both
SyncState ${folder.path}/others-state/
`;
}

/** mbsync marks what it copies, to find it again. */
function withoutTuid(text: string): string {
  return text.replace(/^X-TUID: .*\r?\n/m, '');
}

async function fileNames(mailbox: string): Promise<string[]> {
  const parts = ['cur', 'new'].map(async (part) =>
    (await readdir(join(mailbox, part))).map((name) => join(part, name)),
  );
  return (await Promise.all(parts)).flat();
}

describe('mbsync', { skip: missingPrograms('mbsync') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    await mkdir(folder.at('mail'));
    for (const name of ['state', 'others', 'others-state']) await mkdir(folder.at(name));
    await writeFile(folder.at('mbsyncrc'), configuration(server, folder), { mode: 0o600 });
    for (let from = 0; from < messages; from += atOnce) {
      const numbers = Array.from({ length: Math.min(atOnce, messages - from) }, (_, at) => from + at);
      await Promise.all(numbers.map((number) => storeNumbered(number)));
    }
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  const storeNumbered = (number: number): Promise<number> =>
    storeMessage(server.admin, 'alice', {
      bytes: numberedMessage(number),
      mailbox: number % 4 === 0 ? 'Projects/Räume' : 'INBOX',
      flags: number % 3 === 0 ? ['\\Seen'] : number % 7 === 0 ? ['\\Flagged', '\\Answered'] : [],
      date: 1_700_000_000 + number * 60,
    });
  /** Gives the commands it sent that change or fetch something, by their first words. */
  const synchronise = async (channel = 'all'): Promise<Record<string, number>> => {
    const { stdout } = await runWell('mbsync', ['-Dn', '-c', folder.at('mbsyncrc'), channel]);
    const counts: Record<string, number> = {};
    for (const [, command] of stdout.matchAll(/>>> \d+ (.*)/g)) {
      const work = /^(?:APPEND|CREATE|DELETE|EXPUNGE|UID (?:STORE|EXPUNGE|FETCH .*BODY))/.exec(command!)?.[0];
      const name = work?.replace(/FETCH .*/, 'FETCH');
      if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  };
  const inbox = (): string => folder.at('mail', 'INBOX');

  test(`fetches ${messages} messages byte for byte, with flags and dates`, async () => {
    assert.deepEqual(await synchronise(), { 'UID FETCH': messages });
    const names = await fileNames(inbox());
    assert.equal(names.length, (messages * 3) / 4);
    const seen = names.filter((name) => /:2,[A-Z]*S/.test(name));
    const rows = await messagesOf(server.admin, 'alice');
    assert.equal(seen.length, rows.filter(({ flags }) => flags.includes('\\Seen')).length);
    const first = await stat(join(inbox(), names.find((name) => /[,.]U=1[:,]/.test(name))!));
    assert.equal(first.mtimeMs / 1000, rows[0]!.internalDate);
    const read = async (name: string): Promise<string> =>
      withoutTuid(await readFile(join(inbox(), name), 'latin1'));
    const texts = new Set(await Promise.all(names.map(read)));
    for (let number = 0; number < messages; number++) {
      if (number % 4 === 0) continue;
      // mbsync keeps Unix newlines.
      assert.ok(texts.has(numberedMessage(number).replaceAll('\r\n', '\n')), `message ${number}`);
    }
    const folders = await readdir(folder.at('mail'));
    assert.ok(folders.includes('Projects'), folders.join());
  });

  test('has nothing to do a second time', async () => {
    assert.deepEqual(await synchronise(), {});
  });

  test('takes changes of both sides', async () => {
    // Here: a new folder with a message, a flag, a deletion. There: the same.
    for (const part of ['cur', 'new', 'tmp'])
      await mkdir(folder.at('mail', 'Local', part), { recursive: true });
    const written = 'From: me@example.test\nSubject: from here\n\nwritten locally\n';
    await writeFile(folder.at('mail', 'Local', 'cur', '1700000000.1.host:2,FS'), written);
    const plain = (await fileNames(inbox())).filter((name) => /:2,$/.test(name) || !name.includes(':'));
    const [flagged, trashed] = plain as [string, string];
    const moved = (name: string, flags: string): Promise<void> => {
      const bare = name.replace(/^(?:cur|new)\//, '').replace(/:2,$/, '');
      return rename(join(inbox(), name), join(inbox(), 'cur', `${bare}:2,${flags}`));
    };
    await moved(flagged, 'F');
    await moved(trashed, 'T');
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(5000), mailbox: 'Remote' });

    const { 'UID FETCH': fetched, CREATE: created, APPEND: appended } = await synchronise();
    assert.deepEqual({ fetched, created, appended }, { fetched: 1, created: 1, appended: 1 });
    const [local] = await messagesOf(server.admin, 'alice', 'Local');
    assert.deepEqual([...local!.flags].sort(), ['\\Flagged', '\\Seen']);
    const uploaded = await bytesOf(server.admin, 'alice', { mailbox: 'Local', uid: local!.uid });
    const body = uploaded.toString('latin1');
    assert.equal(withoutTuid(body), written.replaceAll('\n', '\r\n'));
    const rest = await messagesOf(server.admin, 'alice');
    assert.equal(rest.length, (messages * 3) / 4 - 1);
    const uidOf = (name: string): number => Number(/,U=(\d+)/.exec(name)![1]);
    assert.deepEqual(rest.find(({ uid }) => uid === uidOf(flagged))?.flags, ['\\Flagged']);
    assert.equal(
      rest.find(({ uid }) => uid === uidOf(trashed)),
      undefined,
    );
    assert.equal((await fileNames(folder.at('mail', 'Remote'))).length, 1);
    assert.deepEqual(await synchronise(), {});
    const names = (await mailboxesOf(server.admin, 'alice')).map(({ name }) => name);
    assert.ok(names.includes('Projects/Räume') && names.includes('Local'), names.join());
  });

  test('goes on without TLS', async () => {
    await writeFile(folder.at('mbsyncrc'), configuration(server, folder, false), { mode: 0o600 });
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(5001), mailbox: 'Remote' });
    assert.deepEqual(await synchronise(), { 'UID FETCH': 1 });
    assert.equal((await fileNames(folder.at('mail', 'Remote'))).length, 2);
    assert.deepEqual(await synchronise(), {});
  });

  test("takes and brings to others' mailboxes, past one that may be seen and not opened", async () => {
    for (const number of [1, 2])
      await storeMessage(server.admin, 'bob', { bytes: numberedMessage(number), mailbox: 'Team/Räume' });
    for (const [mailbox, rights] of [
      ['Team', 'l'],
      ['Team/Räume', 'lrswite'],
    ] as const)
      await server.json(['mailbox', 'acl', 'set', addressOf('bob'), mailbox, addressOf('alice'), rights]);
    assert.deepEqual(await synchronise('shared'), { 'UID FETCH': 2 });
    const near = folder.at('others', addressOf('bob'), 'Team', 'R&AOQ-ume');
    const [first] = await fileNames(near);
    const uid = Number(/,U=(\d+)/.exec(first!)![1]);
    await rename(join(near, first!), join(near, 'cur', `${first!.replace(/^new\//, '')}:2,T`));
    await writeFile(join(near, 'cur', '1700000000.1.host:2,S'), 'Subject: for all\n\nx\n');
    assert.deepEqual(await synchronise('shared'), { APPEND: 1, 'UID STORE': 1 });
    const rows = await messagesOf(server.admin, 'bob', 'Team/Räume');
    const kept = rows.map((row) => [row.uid, row.flags] as const);
    assert.deepEqual(kept, [
      [uid === 1 ? 2 : 1, []],
      [3, ['\\Seen']],
    ]);
    assert.deepEqual(await synchronise('shared'), {});
  });
});
