// Clients that protect their records with OpenSSL and GnuTLS: changes of keys, tickets, records of other sizes, a second hello.

import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { makeTemporaryFolder, missingPrograms, runWell, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

/** A program that one talks to. */
class Conversation implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams;
  #heard = '';
  #all = '';
  #ended = false;
  #wake = (): void => {};

  constructor(command: string, ...args: readonly string[]) {
    this.#child = spawn(command, args);
    for (const output of [this.#child.stdout, this.#child.stderr])
      output.setEncoding('latin1').on('data', (text: string) => {
        this.#heard += text;
        this.#all += text;
        this.#wake();
      });
    this.#child.stdin.on('error', () => {});
    this.#child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  say(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Waits for it, in what has come since the last one; gives what came before it. */
  async hear(pattern: RegExp): Promise<string> {
    for (let found = pattern.exec(this.#heard); ; found = pattern.exec(this.#heard)) {
      if (found !== null) {
        const before = this.#heard.slice(0, found.index);
        this.#heard = this.#heard.slice(found.index + found[0].length);
        return before;
      }
      assert(!this.#ended, `${pattern} was not said: ${this.#all}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async end(): Promise<string> {
    this.#child.stdin.end();
    if (!this.#ended) await once(this.#child, 'close');
    return this.#all;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

describe('records of real TLS clients', () => {
  let server: ServerProcess;
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
    server = await ServerProcess.start({ accounts: ['alice'] });
  });
  after(async () => {
    await folder.remove();
    await server.stop();
  });

  const login = `LOGIN ${addressOf('alice')} "${passwordOf('alice')}"`;
  const text = Array.from({ length: 3000 }, (_, night) => `Night ${night} was dark and stormy. `).join('');

  /** A login, a message up and down: records of every size, in both directions. */
  async function useMailbox(client: Conversation): Promise<void> {
    client.say(`a ${login}\r\n`);
    await client.hear(/^a OK/m);
    client.say(`b APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
    await client.hear(/^b OK/m);
    client.say('c SELECT INBOX\r\n');
    await client.hear(/^c OK/m);
    client.say('d FETCH * BODY[]\r\n');
    const fetched = await client.hear(/^d OK/m);
    assert(fetched.includes(`{${text.length}}\r\n${text}`), fetched.slice(0, 200));
  }

  async function leave(client: Conversation): Promise<string> {
    client.say('z LOGOUT\r\n');
    await client.hear(/^z OK/m);
    return await client.end();
  }

  describe('openssl s_client', { skip: missingPrograms('openssl') }, () => {
    const start = (...more: string[]): Conversation =>
      new Conversation('openssl', 's_client', '-connect', `127.0.0.1:${server.ports.imaps}`, ...more);
    const cases: readonly (readonly string[])[] = [
      ['-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'],
      ['-tls1_3', '-ciphersuites', 'TLS_AES_256_GCM_SHA384'],
      ['-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'],
      ['-tls1_3', '-maxfraglen', '512'],
      ['-tls1_3', '-max_send_frag', '600', '-split_send_frag', '512'],
      ['-tls1_3', '-groups', 'X448:X25519'],
      ['-tls1_3', '-no_middlebox'],
      ['-tls1_3', '-record_padding', '700'],
      ['-tls1_2'],
      ['-tls1_2', '-maxfraglen', '1024'],
    ];
    for (const options of cases) {
      test(options.join(' '), async () => {
        using client = start(...options);
        await client.hear(/^\* OK/m);
        await useMailbox(client);
        await leave(client);
      });
    }

    test('changes of keys', async () => {
      using client = start('-tls1_3');
      await client.hear(/^\* OK/m);
      // K: we shall change ours, too.
      for (const [tag, letter] of [...'KkKKkk'].entries()) {
        client.say(`${letter}\n`);
        await client.hear(/^KEYUPDATE/m);
        client.say(`a${tag} NOOP\r\n`);
        await client.hear(new RegExp(`^a${tag} OK`, 'm'));
      }
      await useMailbox(client);
      await leave(client);
    });

    test('sessions are resumed, and data that comes too early is not taken', async () => {
      const file = folder.at('session');
      using first = start('-tls1_3', '-sess_out', file);
      await first.hear(/^\* OK/m);
      await leave(first);
      await runWell('sh', ['-c', `printf 'e LOGOUT\\r\\n' > ${folder.at('early')}`]);
      for (const more of [[], ['-early_data', folder.at('early')]]) {
        using next = start('-tls1_3', '-sess_in', file, ...more);
        await next.hear(/^\* OK/m);
        await useMailbox(next);
        const said = await leave(next);
        assert.match(said, /^Reused, TLSv1\.3/m);
        assert.doesNotMatch(said, /^e OK/m);
      }
    });
  });

  describe('gnutls-cli', { skip: missingPrograms('gnutls-cli') }, () => {
    // GnuTLS pads, and says how large records may be.
    for (const priority of [
      'NORMAL',
      'NORMAL:-VERS-ALL:+VERS-TLS1.2',
      'NORMAL:-GROUP-ALL:+GROUP-SECP384R1',
    ]) {
      test(priority, async () => {
        const place = ['-p', String(server.ports.imaps), '127.0.0.1'];
        using client = new Conversation(
          'gnutls-cli',
          '--insecure',
          '--inline-commands',
          `--priority=${priority}`,
          ...place,
        );
        await client.hear(/^\* OK/m);
        if (!priority.includes('TLS1.2')) {
          for (const [tag, command] of ['rekey', 'rekey1', 'rekey'].entries()) {
            client.say(`^${command}^\n`);
            await client.hear(/Rekey was completed/);
            client.say(`a${tag} NOOP\r\n`);
            await client.hear(new RegExp(`^a${tag} OK`, 'm'));
          }
        }
        await leave(client);
      });
    }
  });

  test('curl, with TLS 1.2 and 1.3', { skip: missingPrograms('curl') }, async () => {
    for (const version of ['1.2', '1.3']) {
      const options = [
        '-sk',
        `--tlsv${version}`,
        '--tls-max',
        version,
        '-u',
        `${addressOf('alice')}:${passwordOf('alice')}`,
      ];
      const { stdout } = await runWell('curl', [...options, `imaps://127.0.0.1:${server.ports.imaps}/`]);
      assert.match(stdout, /INBOX/);
    }
  });

  test("Python's ssl, which ends both directions in turn", { skip: missingPrograms('python3') }, async () => {
    const program = `
import socket, ssl, sys
context = ssl._create_unverified_context()
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, sys.argv[2])
raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
secure = context.wrap_socket(raw)
print(secure.version())
secure.sendall(b'a NOOP\\r\\nb NOOP\\r\\n')
answer = b''
while b'b OK' not in answer or not answer.endswith(b'\\n'): answer += secure.recv(1)
# Sends close_notify and waits for ours.
raw = secure.unwrap()
print(raw.recv(1))
`;
    for (const version of ['TLSv1_2', 'TLSv1_3']) {
      const { stdout } = await runWell('python3', ['-c', program, String(server.ports.imaps), version]);
      assert.equal(stdout, `${version.replace('_', '.')}\nb''\n`);
    }
  });
});
