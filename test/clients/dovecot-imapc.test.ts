// Dovecot's imapc, its IMAP client as a mail store: `doveadm backup` pulls a whole account into a maildir, byte for byte with flags,
// UIDs and dates, and again when something has changed; and a Dovecot stands in front as a proxy that has no mail of its own.

import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ImapFlow } from 'imapflow';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import { DovecotProcess, dovecotPassword, dovecotUser, missingDovecot } from '../dovecot-process.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const nested = 'Projekte/Räume/Größe';
const nestedMessages = 60;
/** How it looks for changes. */
const flagsCommand = 'UID FETCH 1:* (FLAGS MODSEQ)';
/** As a maildir has it. */
const nestedFolder = '.Projekte.R&AOQ-ume.Gr&APYA3w-e';
const dateOf = (number: number): number => 1_700_000_000 + number * 60;
const flagsOf = (number: number): string[] =>
  number % 3 === 0
    ? ['\\Seen']
    : number % 7 === 0
      ? ['\\Answered', '\\Flagged']
      : number % 5 === 0
        ? ['$Work']
        : [];

const imapcSettings = (server: ServerProcess, features: string) => (logFolder: string) =>
  `
imapc_host = 127.0.0.1
imapc_port = ${server.ports.imap}
imapc_user = ${addressOf('alice')}
imapc_password = ${passwordOf('alice')}
imapc_features = ${features}
imapc_rawlog_dir = ${logFolder}
`;

interface Kept {
  readonly name: string;
  readonly bytes: Buffer;
  readonly uid: number;
  readonly letters: string;
}

/** What a maildir holds, by UID. */
async function maildir(folder: string): Promise<Kept[]> {
  const list = await readFile(join(folder, 'dovecot-uidlist'), 'latin1');
  const uids = new Map(
    [...list.matchAll(/^(\d+) .*:(.*)$/gm)].map(([, uid, name]) => [name!.replace(/:2,.*/, ''), Number(uid)]),
  );
  const kept: Kept[] = [];
  for (const part of ['cur', 'new'])
    for (const name of await readdir(join(folder, part))) {
      const [base, letters = ''] = name.split(':2,');
      const bytes = await readFile(join(folder, part, name));
      kept.push({ name: join(folder, part, name), bytes, uid: uids.get(base!)!, letters });
    }
  return kept.sort((a, b) => a.uid - b.uid);
}

describe("Dovecot's imapc", { skip: missingDovecot() }, () => {
  let server: ServerProcess;
  let dovecot: DovecotProcess;
  /** As many as the tests have put into INBOX, the odd ones first. */
  const inbox: Buffer[] = [];
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
    const settings = imapcSettings(server, 'rfc822.size fetch-headers fetch-bodystructure search modseq');
    dovecot = await DovecotProcess.prepare({ mailLocation: 'maildir:%h/mail', settings });
    const odd = corpusMessages().map(({ bytes }) => bytes);
    inbox.push(...odd, ...Array.from({ length: 60 }, (_, at) => Buffer.from(numberedMessage(at))));
    for (const [number, bytes] of inbox.entries()) await store(number, bytes);
    for (let number = 0; number < nestedMessages; number++)
      await store(number, Buffer.from(numberedMessage(number)), nested);
  });
  after(async () => {
    await dovecot?.[Symbol.asyncDispose]();
    await server.stop();
  });

  const store = (number: number, bytes: Buffer, mailbox = 'INBOX'): Promise<number> =>
    storeMessage(server.admin, 'alice', { bytes, mailbox, flags: flagsOf(number), date: dateOf(number) });

  /** Pulls, and gives the commands it sent but for looking what is there: the folders, and the flags of what is in them. */
  const pull = async (): Promise<string[]> => {
    await dovecot.doveadm(['backup', '-R', `imapc:${dovecot.home('imapc')}`]);
    const logs = (await readdir(dovecot.log())).filter((name) => name.endsWith('.out')).sort();
    const text = await readFile(dovecot.log(logs.at(-1)!), 'latin1');
    const commands = [...text.matchAll(/^\S+ \d+ (.*?)\r?$/gm)].map(([, command]) => command!);
    assert.ok(commands.includes(flagsCommand), commands.join('\n'));
    const look = /^(?:AUTHENTICATE|LOGIN|LIST|LSUB|STATUS|EXAMINE|LOGOUT)/;
    return commands.filter((command) => command !== flagsCommand && !look.test(command));
  };

  test('doveadm backup pulls an account byte for byte, with flags, UIDs and dates', async () => {
    assert.equal((await pull()).length, inbox.length + nestedMessages);
    const keywords = await readFile(dovecot.home('mail', 'dovecot-keywords'), 'latin1');
    assert.match(keywords, /^0 \$Work$/m);
    const letterOf: Readonly<Record<string, string>> = {
      '\\Seen': 'S',
      '\\Answered': 'R',
      '\\Flagged': 'F',
      $Work: 'a',
    };
    for (const [folder, expected] of [
      ['', inbox],
      [nestedFolder, Array.from({ length: nestedMessages }, (_, at) => Buffer.from(numberedMessage(at)))],
    ] as const) {
      const kept = await maildir(dovecot.home('mail', folder));
      assert.deepEqual(
        kept.map(({ uid }) => uid),
        expected.map((_, at) => at + 1),
      );
      for (const [number, { name, bytes, letters }] of kept.entries()) {
        // Mail is stored with the line ends it came with; a maildir of this configuration has CRLF everywhere.
        assert.equal(bytes.toString('latin1'), withCrlf(expected[number]!), `${folder} ${number}`);
        assert.equal(
          letters.split('').sort().join(''),
          flagsOf(number)
            .map((flag) => letterOf[flag]!)
            .sort()
            .join(''),
        );
        assert.equal((await stat(name)).mtimeMs / 1000, dateOf(number));
      }
    }
  });

  test('the next backup fetches nothing, and the one after it what has changed', async () => {
    assert.deepEqual(await pull(), []);
    await store(inbox.length, Buffer.from(numberedMessage(4000)));
    inbox.push(Buffer.from(numberedMessage(4000)));
    await using client = await connect(server.ports.imap, addressOf('alice'), passwordOf('alice'));
    await using _lock = await client.lock(nested);
    await client.flow.messageFlagsAdd('2', ['\\Flagged'], { uid: true });
    await client.flow.messageDelete('3:5', { uid: true });
    const commands = await pull();
    // In a folder that has changed it tells messages from each other by their headers.
    const fetched = commands.filter((command) => !command.includes('HEADER.FIELDS (Date Message-ID)'));
    assert.deepEqual(fetched, [`UID FETCH ${inbox.length} (INTERNALDATE SAVEDATE BODY.PEEK[])`]);
    assert.equal((await maildir(dovecot.home('mail'))).length, inbox.length);
    const kept = await maildir(dovecot.home('mail', nestedFolder));
    assert.equal(kept.length, nestedMessages - 3);
    assert.match(kept.find(({ uid }) => uid === 2)!.letters, /F/);
    assert.deepEqual(await pull(), []);
  });

  test('a client works through a Dovecot that keeps its mail here', async () => {
    const features = 'rfc822.size fetch-headers fetch-bodystructure search';
    const settings = imapcSettings(server, features);
    await using proxy = await DovecotProcess.start({ mailLocation: 'imapc:%h/imapc', settings });
    await using client = await connect(proxy.port, dovecotUser, dovecotPassword);
    const names = (await client.flow.list()).map(({ path }) => path);
    assert.ok(names.includes(nested), names.join());
    await client.flow.mailboxCreate('Durch/Größe');
    await using _lock = await client.lock('INBOX');
    assert.equal((await client.flow.status('INBOX', { messages: true })).messages, inbox.length);
    for await (const message of client.flow.fetch('1:*', {
      uid: true,
      flags: true,
      source: true,
      internalDate: true,
    })) {
      const number = message.seq - 1;
      assert.ok(message.source!.equals(inbox[number]!), `message ${number}`);
      assert.equal(new Date(message.internalDate!).getTime() / 1000, dateOf(number));
      const flags = [...message.flags!].filter((flag) => flag !== '\\Recent');
      assert.deepEqual(flags.sort(), flagsOf(number).sort(), `message ${number}`);
    }
    const last = String(inbox.length);
    assert.deepEqual(
      await client.flow.search({ header: { 'message-id': '<4000@elsewhere.test>' } }, { uid: true }),
      [inbox.length],
    );
    await client.flow.messageFlagsAdd(last, ['\\Draft', '$Through'], { uid: true });
    await client.flow.messageCopy(last, 'Durch/Größe', { uid: true });
    await client.flow.messageMove(String(inbox.length - 1), 'Durch/Größe', { uid: true });
    await client.flow.append('Durch/Größe', numberedMessage(4001), ['\\Draft'], new Date(dateOf(1) * 1000));
    const rows = await messagesOf(server.admin, 'alice', 'Durch/Größe');
    const copiedFlags = [...flagsOf(inbox.length - 1), '\\Draft', '$Through'].sort();
    assert.deepEqual(
      rows.map(({ flags }) => flags.toSorted()),
      [copiedFlags, flagsOf(inbox.length - 2).sort(), ['\\Draft']],
    );
    assert.equal(rows[2]!.internalDate, dateOf(1));
    const appended = await bytesOf(server.admin, 'alice', { mailbox: 'Durch/Größe', uid: rows[2]!.uid });
    assert.equal(appended.toString('latin1'), numberedMessage(4001));
    assert.equal((await messagesOf(server.admin, 'alice')).length, inbox.length - 1);
    // It hears of new mail as it comes.
    const exists = new Promise<{ count: number }>((resolve) => client.flow.once('exists', resolve));
    const idling = client.flow.idle();
    await store(1, Buffer.from(numberedMessage(4002)));
    assert.equal((await exists).count, inbox.length);
    await client.flow.noop();
    await idling;
  });
});

const withCrlf = (bytes: Buffer): string => bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n');

interface Connected extends AsyncDisposable {
  readonly flow: ImapFlow;
  lock(mailbox: string): Promise<AsyncDisposable>;
}

async function connect(port: number, user: string, pass: string): Promise<Connected> {
  const auth = { user, pass };
  const place = { host: '127.0.0.1', port, secure: false, doSTARTTLS: false };
  const flow = new ImapFlow({ ...place, auth, logger: false, disableAutoIdle: true });
  flow.on('error', () => {});
  await flow.connect();
  return {
    flow,
    lock: async (mailbox) => {
      const lock = await flow.getMailboxLock(mailbox);
      return { [Symbol.asyncDispose]: async () => lock.release() };
    },
    [Symbol.asyncDispose]: () => flow.logout(),
  };
}
