// fetchmail and getmail: draining a maildrop over POP3 with TLS into a program, and getmail's memory of what it has already
// fetched, which rests on UIDLs that stay.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import {
  type Ended,
  makeTemporaryFolder,
  missingPrograms,
  runProgram,
  runWell,
  type TemporaryFolder,
} from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

const messages = 30;

/** A program that writes its standard input into a file of its own below `out`. */
async function makeDeliveryProgram(folder: TemporaryFolder): Promise<string> {
  await mkdir(folder.at('out'));
  const program = folder.at('deliver');
  const script = `#!/bin/sh\nexec cat > "$(mktemp ${folder.path}/out/XXXXXXXX)"\n`;
  await writeFile(program, script, { mode: 0o755 });
  return program;
}

/** What was delivered, without the trace fields a client adds, and with network newlines. */
async function delivered(folder: TemporaryFolder): Promise<string[]> {
  const names = await readdir(folder.at('out'));
  const texts = names.map(async (name) => {
    const text = (await readFile(folder.at('out', name), 'latin1')).replaceAll(/\r?\n/g, '\r\n');
    return text.slice(text.indexOf('From: sender'));
  });
  return (await Promise.all(texts)).sort();
}

function numberedMessages(count: number): string[] {
  return Array.from({ length: count }, (_, number) => numberedMessage(number)).sort();
}

describe('POP3 drains', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'carol', 'dave'] });
  });
  after(() => server.stop());

  const fill = async (user: string): Promise<void> => {
    for (let number = 0; number < messages; number++)
      await storeMessage(server.admin, user, { bytes: numberedMessage(number) });
  };

  for (const { way, user, listener, tls } of [
    { way: 'TLS from the first byte', user: 'alice', listener: 'pop3s', tls: 'ssl' },
    { way: 'STLS', user: 'carol', listener: 'pop3', tls: 'sslproto tls1.2+' },
    { way: 'no TLS', user: 'dave', listener: 'pop3', tls: "sslproto ''" },
  ] as const) {
    test(`fetchmail drains with ${way}`, { skip: missingPrograms('fetchmail') }, async () => {
      await using folder = await makeTemporaryFolder();
      await fill(user);
      const program = await makeDeliveryProgram(folder);
      const text = `
poll localhost protocol pop3 port ${server.ports[listener]}
  user "${addressOf(user)}" password "${passwordOf(user)}"
  ${tls} sslcertck sslcertfile "${server.certificateFile}"
  fetchall mda "${program}"
`;
      await writeFile(folder.at('fetchmailrc'), text, { mode: 0o600 });
      const args = ['-f', folder.at('fetchmailrc'), '--nosyslog', '--pidfile', folder.at('pid')];
      const env = { HOME: folder.path, FETCHMAILHOME: folder.path, LC_ALL: 'C' };
      const fetch = (): Promise<Ended> => runProgram('fetchmail', args, { env });
      const drained = await fetch();
      assert.equal(drained.code, 0, `${drained.stdout}${drained.stderr}`);
      assert.deepEqual(await delivered(folder), numberedMessages(messages));
      assert.deepEqual(await messagesOf(server.admin, user), []);
      const nothingNew = 1;
      assert.equal((await fetch()).code, nothingNew);
    });
  }

  test('getmail fetches, remembers, and drains', { skip: missingPrograms('getmail') }, async () => {
    await using folder = await makeTemporaryFolder();
    await fill('bob');
    const program = await makeDeliveryProgram(folder);
    const configuration = (isDeleting: boolean): string => `
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = ${server.ports.pop3s}
username = ${addressOf('bob')}
password = ${passwordOf('bob')}
ca_certs = ${server.certificateFile}
timeout = 30

[destination]
type = MDA_external
path = ${program}
allow_root_commands = true

[options]
read_all = false
delete = ${isDeleting}
`;
    const fetch = async (isDeleting: boolean): Promise<void> => {
      await writeFile(folder.at('getmailrc'), configuration(isDeleting), { mode: 0o600 });
      const args = ['--getmaildir', folder.path, '--rcfile', 'getmailrc'];
      await runWell('getmail', args, { env: { HOME: folder.path } });
    };
    await fetch(false);
    assert.deepEqual(await delivered(folder), numberedMessages(messages));
    await storeMessage(server.admin, 'bob', { bytes: numberedMessage(messages) });
    await fetch(false);
    assert.deepEqual(await delivered(folder), numberedMessages(messages + 1));
    await fetch(true);
    assert.deepEqual(await delivered(folder), numberedMessages(messages + 1));
    assert.deepEqual(await messagesOf(server.admin, 'bob'), []);
  });
});
