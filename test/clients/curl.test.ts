// curl as a client of every mail protocol: in the clear on loopback, after STARTTLS and with TLS from the first byte,
// checking the server's certificate.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import {
  type Ended,
  makeTemporaryFolder,
  missingPrograms,
  runProgram,
  runWell,
  type TemporaryFolder,
} from '../run-program.ts';
import { addressOf, type ListenerName, passwordOf, ServerProcess } from '../server-process.ts';

const message = (subject: string): string =>
  `From: ${addressOf('alice')}\r\nTo: ${addressOf('bob')}\r\nSubject: ${subject}\r\n\r\nLine one.\r\n.line with a dot\r\n`;

describe('curl', { skip: missingPrograms('curl') }, () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'carol'] });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  /** Checks the certificate, as without -k. */
  const base = (): string[] => ['-sS', '--cacert', server.certificateFile, '--connect-timeout', '20'];
  const url = (scheme: string, listener: ListenerName, path = ''): string =>
    `${scheme}://localhost:${server.ports[listener]}/${path}`;
  const login = (user: string): string[] => ['-u', `${addressOf(user)}:${passwordOf(user)}`];
  const curl = async (user: string, ...args: string[]): Promise<string> =>
    (await runWell('curl', [...base(), ...login(user), ...args])).stdout;
  const send = (place: string, subject: string, ...more: string[]): Promise<Ended> => {
    const envelope = ['--mail-from', addressOf('alice'), '--mail-rcpt', addressOf('bob'), '-T', '-'];
    return runProgram('curl', [...base(), place, ...envelope, ...more], { input: message(subject) });
  };

  /** curl tells the size before it sends, so it wants a file. */
  const append = async (place: string, text: string, ...more: string[]): Promise<void> => {
    const file = folder.at('message');
    await writeFile(file, text);
    await curl('carol', ...more, place, '-T', file);
  };

  const ways: readonly (readonly [string, ListenerName, boolean, ...string[]])[] = [
    ['smtp', 'mx', false],
    ['smtp', 'mx', false, '--ssl-reqd'],
    ['smtp', 'submission', true, '--ssl-reqd'],
    ['smtp', 'submission', true, '--ssl-reqd', '--login-options', 'AUTH=LOGIN'],
    ['smtp', 'submission', true, '--ssl-reqd', '--login-options', 'AUTH=PLAIN', '--sasl-ir'],
    ['smtps', 'submissions', true],
  ];
  for (const [index, [scheme, listener, isAuthenticated, ...more]] of ways.entries()) {
    test(`sends: ${scheme} to ${listener} ${more.join(' ')}`, async () => {
      const subject = `way ${index}`;
      const sent = await send(
        url(scheme, listener),
        subject,
        ...more,
        ...(isAuthenticated ? login('alice') : []),
      );
      assert.equal(sent.code, 0, sent.stderr);
      const found = await curl('bob', url('imap', 'imap', 'INBOX'), '-X', `SEARCH SUBJECT "${subject}"`);
      const number = /^\* SEARCH (\d+)\r\n$/.exec(found)?.[1];
      assert.ok(number !== undefined, found);
      const stored = await curl('bob', url('imap', 'imap', `INBOX;MAILINDEX=${number}`));
      assert.ok(
        stored.endsWith(message(subject).slice(message(subject).indexOf('Subject:'))),
        JSON.stringify(stored),
      );
    });
  }

  const imapWays: readonly (readonly [string, ListenerName, ...string[]])[] = [
    ['imap', 'imap'],
    ['imap', 'imap', '--ssl-reqd'],
    ['imaps', 'imaps'],
    ['imaps', 'imaps', '--login-options', 'AUTH=PLAIN', '--sasl-ir'],
    ['imaps', 'imaps', '--login-options', 'AUTH=LOGIN'],
  ];
  for (const [index, [scheme, listener, ...more]] of imapWays.entries()) {
    test(`appends, lists and fetches: ${scheme} ${more.join(' ')}`, async () => {
      const text = message(`kept ${index}`);
      const name = `Box${index}`;
      await curl('carol', ...more, url(scheme, listener), '-X', `CREATE ${name}`);
      await append(url(scheme, listener, name), text, ...more);
      const folders = await curl('carol', ...more, url(scheme, listener));
      assert.match(folders, new RegExp(`^\\* LIST \\([^)]*\\) "/" "?${name}"?\r$`, 'm'));
      assert.equal(await curl('carol', ...more, url(scheme, listener, `${name};UID=1`)), text);
      const header = await curl('carol', ...more, url(scheme, listener, `${name};UID=1;SECTION=HEADER`));
      assert.equal(header, text.slice(0, text.indexOf('\r\n\r\n') + 4));
    });
  }

  const popWays: readonly (readonly [string, ListenerName, ...string[]])[] = [
    ['pop3', 'pop3'],
    ['pop3', 'pop3', '--ssl-reqd'],
    ['pop3s', 'pop3s'],
    ['pop3s', 'pop3s', '--login-options', 'AUTH=PLAIN', '--sasl-ir'],
  ];
  for (const [index, [scheme, listener, ...more]] of popWays.entries()) {
    test(`drains: ${scheme} ${more.join(' ')}`, async () => {
      const text = message(`drained ${index}`);
      await append(url('imaps', 'imaps', 'INBOX'), text);
      assert.equal(await curl('carol', ...more, url(scheme, listener)), `1 ${Buffer.byteLength(text)}\r\n`);
      assert.equal(await curl('carol', ...more, url(scheme, listener, '1')), text);
      await curl('carol', ...more, url(scheme, listener, '1'), '-X', 'DELE', '-I');
      // curl itself adds the CRLF before the final dot.
      assert.equal(await curl('carol', ...more, url(scheme, listener)), '\r\n');
    });
  }

  test('a wrong password is a refused login in every protocol', async () => {
    const wrong = ['-u', `${addressOf('alice')}:wrong`];
    const loginDenied = 67;
    for (const place of [url('imaps', 'imaps'), url('pop3s', 'pop3s')]) {
      assert.equal((await runProgram('curl', [...base(), ...wrong, place])).code, loginDenied, place);
    }
    assert.equal((await send(url('smtps', 'submissions'), 'never', ...wrong)).code, loginDenied);
  });

  test('an unknown recipient and a sender that is not the account are refused', async () => {
    const unknown = ['--mail-from', 'x@elsewhere.test', '--mail-rcpt', addressOf('nobody'), '-T', '-'];
    const refused = await runProgram('curl', [...base(), '-v', url('smtp', 'mx'), ...unknown], {
      input: message('lost'),
    });
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /^< 550 5\.1\.1 /m);
    const borrowed = ['--mail-from', addressOf('bob'), '--mail-rcpt', addressOf('bob'), '-T', '-'];
    const place = url('smtps', 'submissions');
    const stopped = await runProgram('curl', [...base(), '-v', ...login('alice'), place, ...borrowed], {
      input: message('forged'),
    });
    assert.notEqual(stopped.code, 0);
    assert.match(stopped.stderr, /^< 55\d 5\.7\.1 /m);
  });
});
