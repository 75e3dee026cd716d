// neomutt in batch mode: sends through submission with an attachment, and reads mailboxes over IMAP with
// commands pushed as if typed; with a cache of headers it comes back with CONDSTORE and with QRESYNC.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import {
  makeTemporaryFolder,
  missingPrograms,
  type RunOptions,
  runWell,
  type TemporaryFolder,
} from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { openImapFlow } from './imapflow-client.ts';

/**
 * smtp_authenticators: of its own accord this client takes SCRAM-SHA-256-PLUS wherever it is offered, which it cannot do (its
 * SASL library asks it for channel bindings, it has none to give), and then gives up.
 */
function configuration(server: ServerProcess, folder: TemporaryFolder, tls = true, name = 'alice'): string {
  const user = addressOf(name);
  const encoded = encodeURIComponent(user);
  return `
set from = "${user}"
set realname = "Alice Ärmel"
set imap_user = "${user}"
set imap_pass = "${passwordOf(name)}"
set smtp_url = "smtp://${encoded}@localhost:${server.ports.submission}/"
set smtp_authenticators = "plain"
set smtp_pass = "${passwordOf(name)}"
set folder = "imap${tls ? 's' : ''}://${encoded}@localhost:${tls ? server.ports.imaps : server.ports.imap}/"
set spoolfile = "+INBOX"
set certificate_file = "${server.certificateFile}"
set ssl_starttls = ${tls ? 'yes' : 'no'}
set ssl_force_tls = ${tls ? 'yes' : 'no'}
set ssl_ca_certificates_file = "${server.certificateFile}"
set charset = "utf-8"
set header_cache = ""
set copy = yes
set use_envelope_from = yes
set hostname = "client.test"
set wait_key = no
set quit = yes
set delete = yes
set mail_check = 600
set confirm_append = no
set confirm_create = no
set history_file = "${folder.path}/history"
`;
}

describe('neomutt', { skip: missingPrograms('neomutt', 'script') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'carol', 'dave'] });
    await writeFile(folder.at('muttrc'), configuration(server, folder), { mode: 0o600 });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  const environment = (): RunOptions => ({
    env: { HOME: folder.path, TERM: 'xterm', LC_ALL: 'C.UTF-8' },
    cwd: folder.path,
  });
  // -n: without the system's own configuration.
  const options = (): string[] => ['-n', '-F', folder.at('muttrc')];

  test('sends through submission, with an attachment', async () => {
    await writeFile(
      folder.at('attached.bin'),
      Buffer.from(Array.from({ length: 3000 }, (_, at) => at % 256)),
    );
    const args = [...options(), '-s', 'Grüße', '-a', folder.at('attached.bin'), '--', addressOf('bob')];
    await runWell('neomutt', args, { ...environment(), input: 'Hello Bob, schön!\n.\n' });
    const [got] = await messagesOf(server.admin, 'bob');
    const bytes = (await bytesOf(server.admin, 'bob', { uid: got!.uid })).toString('latin1');
    assert.match(bytes, /^Subject: =\?utf-8\?[QB]\?.*\?=\r$/im);
    assert.match(bytes, /^From: .* <alice@example\.test>\r$/m);
    assert.match(bytes, /^Content-Disposition: attachment; filename="attached\.bin"\r$/m);
  });

  test('reads a mailbox: saves a message, flags one, deletes one', async () => {
    for (let number = 1; number <= 20; number++)
      await storeMessage(server.admin, 'alice', { bytes: numberedMessage(number) });
    const keys = [
      ...['<search>number 7$<enter>', `<copy-message>${folder.path}/saved<enter>`],
      ...['<search>number 11$<enter>', '<flag-message>'],
      ...['<search>number 12$<enter>', '<delete-message>'],
      ...['<search>number 13$<enter>', '<copy-message>=Kept<enter>'],
      '<sync-mailbox><quit>',
    ].join('');
    await writeFile(folder.at('commands'), `set mbox_type = mbox\npush '${keys}'\n`);
    // It reads mailboxes only on a terminal: script(1) makes one.
    const command = ['neomutt', ...options(), '-e', `'source ${folder.at('commands')}'`, '-f', '=INBOX'].join(
      ' ',
    );
    await runWell('script', ['-qec', command, '/dev/null'], environment());
    const saved = await readFile(folder.at('saved'), 'latin1');
    assert.ok(saved.replaceAll('\n', '\r\n').includes(numberedMessage(7).split('\r\n\r\n')[1]!), saved);
    const rows = await messagesOf(server.admin, 'alice');
    assert.equal(rows.length, 19);
    assert.ok(rows.find(({ uid }) => uid === 11)?.flags.includes('\\Flagged'));
    assert.equal(
      rows.find(({ uid }) => uid === 12),
      undefined,
    );
    const [kept] = await messagesOf(server.admin, 'alice', 'Kept');
    const bytes = await bytesOf(server.admin, 'alice', { mailbox: 'Kept', uid: kept!.uid });
    assert.equal(bytes.toString('latin1'), numberedMessage(13));
  });

  test('sends and reads without TLS', async () => {
    await writeFile(folder.at('muttrc'), configuration(server, folder, false), { mode: 0o600 });
    const args = [...options(), '-s', 'in the clear', '--', addressOf('alice')];
    await runWell('neomutt', args, { ...environment(), input: 'Hello Alice\n' });
    const keys = `<last-entry><copy-message>${folder.path}/clear<enter><sync-mailbox><quit>`;
    await writeFile(folder.at('commands'), `set mbox_type = mbox\npush '${keys}'\n`);
    const command = ['neomutt', ...options(), '-e', `'source ${folder.at('commands')}'`, '-f', '=INBOX'];
    await runWell('script', ['-qec', command.join(' '), '/dev/null'], environment());
    const saved = await readFile(folder.at('clear'), 'latin1');
    assert.match(saved, /with ESMTPA\b/);
    assert.match(saved, /^Hello Alice$/m);
  });

  // In the first answer to QRESYNC it takes the numbers of messages for those before the others vanished (from any server), and
  // asks for the headers of two again.
  for (const [user, setting, asked, headers] of [
    ['carol', 'imap_condstore', /UID FETCH 1:10 \(FLAGS\) \(CHANGEDSINCE \d+\)/, ['9']],
    ['dave', 'imap_qresync', /UID FETCH 1:10 \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)/, ['3:4', '9']],
  ] as const)
    test(`comes back to a mailbox that has changed, with ${setting}`, async () => {
      const cache = folder.at(`cache-${user}`);
      await mkdir(cache);
      const more = `set header_cache = "${cache}"\nset ${setting} = yes\nset mark_old = no\n`;
      await writeFile(folder.at('muttrc'), configuration(server, folder, false, user) + more, {
        mode: 0o600,
      });
      for (let number = 1; number <= 10; number++)
        await storeMessage(server.admin, user, { bytes: numberedMessage(number) });
      await read('<quit>');
      {
        await using changing = await openImapFlow(server, user);
        await using _lock = await changing.lock('INBOX');
        await changing.flow.messageDelete('3:4', { uid: true });
        await changing.flow.messageFlagsAdd('7', ['\\Flagged'], { uid: true });
        await storeMessage(server.admin, user, { bytes: numberedMessage(11) });
      }
      // All of them, and the flagged ones, as it has them now.
      const saved = ['all', 'flagged'].map((name) => folder.at(`${name}-${user}`));
      const save = (pattern: string, file: string): string =>
        `<tag-pattern>${pattern}<enter><tag-prefix><copy-message>${file}<enter><untag-pattern>~A<enter>`;
      const log = await read(`${save('~A', saved[0]!)}${save('~F', saved[1]!)}<quit>`);
      assert.match(log, asked);
      assert.equal(/Handling VANISHED/.test(log), setting === 'imap_qresync');
      // The rest is in its cache.
      const fetched = [...log.matchAll(/ FETCH (\S+) \(UID FLAGS INTERNALDATE/g)].map(([, set]) => set);
      assert.deepEqual(fetched, headers);
      const subjects = async (file: string): Promise<string[]> =>
        [...(await readFile(file, 'latin1')).matchAll(/^Subject: (.*)$/gm)].map(([, subject]) => subject!);
      const left = [1, 2, 5, 6, 7, 8, 9, 10, 11].map((number) => `number ${number}`);
      assert.deepEqual(await subjects(saved[0]!), left);
      assert.deepEqual(await subjects(saved[1]!), ['number 7']);
    });

  /** Opens INBOX, presses the keys and gives what it said to the server and heard. */
  async function read(keys: string): Promise<string> {
    await writeFile(folder.at('commands'), `set mbox_type = mbox\npush '${keys}'\n`);
    const logging = ['-d', '3', '-l', `'${folder.at('log')}'`];
    const command = [
      'neomutt',
      ...logging,
      ...options(),
      '-e',
      `'source ${folder.at('commands')}'`,
      '-f',
      '=INBOX',
    ];
    await runWell('script', ['-qec', command.join(' '), '/dev/null'], environment());
    return readFile(folder.at('log0'), 'latin1');
  }
});
