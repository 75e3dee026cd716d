// swaks: scripted SMTP and LMTP sessions, in the clear, after STARTTLS and with TLS from the first byte, with each password
// mechanism it has.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type Ended, missingPrograms, runProgram } from '../run-program.ts';
import { addressOf, type ListenerName, passwordOf, ServerProcess } from '../server-process.ts';

interface MailboxRow {
  readonly name: string;
  readonly messages: number;
}

/** swaks' exit codes, from its manual. */
const swaksCodes = { recipientRefused: 24, authenticationFailed: 28 } as const;

const tlsMissing = existsSync('/usr/share/doc/libnet-ssleay-perl')
  ? false
  : 'not installed: libnet-ssleay-perl';

describe('swaks', { skip: missingPrograms('swaks') || tlsMissing }, () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
  });
  after(() => server.stop());

  const swaks = (listener: ListenerName, ...more: string[]): Promise<Ended> => {
    const place = ['--server', '127.0.0.1', '--port', String(server.ports[listener])];
    const envelope = ['--from', addressOf('alice'), '--to', addressOf('bob'), '--ehlo', 'client.test'];
    return runProgram('swaks', [...place, ...envelope, '--timeout', '30', ...more]);
  };
  const inboxOf = async (user: string): Promise<number> => {
    const path = `/api/accounts/${addressOf(user)}/mailboxes`;
    const { items } = await server.admin.call<{ items: MailboxRow[] }>({ path });
    return items.find(({ name }) => name === 'INBOX')!.messages;
  };
  const login = (mechanism: string, password = passwordOf('alice')): string[] => [
    ...['--auth', mechanism, '--auth-user', addressOf('alice'), '--auth-password', password],
  ];

  const ways: readonly (readonly [ListenerName, ...string[]])[] = [
    ['mx'],
    ['mx', '--tls'],
    ['mx', '--pipeline'],
    ['lmtp', '--protocol', 'LMTP'],
    ['submission', '--tls', '--auth', 'PLAIN'],
    ['submission', '--tls', '--auth', 'LOGIN'],
    ['submissions', '--tls-on-connect', '--auth', 'PLAIN'],
    ['submissions', '--tls-on-connect', '--auth', 'LOGIN'],
  ];
  for (const [listener, ...more] of ways) {
    test(`delivers: ${listener} ${more.join(' ')}`, async () => {
      const before = await inboxOf('bob');
      const mechanism = more.indexOf('--auth');
      const options = mechanism < 0 ? more : [...more.slice(0, mechanism), ...login(more[mechanism + 1]!)];
      const { code, stdout, stderr } = await swaks(listener, ...options);
      assert.equal(code, 0, `${stdout}${stderr}`);
      assert.match(stdout, /^<[-~]\s+250 2\.[01]\.\d /m);
      assert.equal(await inboxOf('bob'), before + 1);
    });
  }

  test('LMTP answers for each recipient', async () => {
    const recipients = ['--to', `${addressOf('bob')},${addressOf('alice')}`];
    const { code, stdout } = await swaks('lmtp', '--protocol', 'LMTP', ...recipients);
    assert.equal(code, 0, stdout);
    const final = stdout.slice(stdout.lastIndexOf(' -> .'));
    assert.equal(final.match(/^<-\s+250 /gm)?.length, 2, stdout);
  });

  test('a wrong password, and a recipient that does not exist', async () => {
    const wrong = await swaks('submission', '--tls', ...login('PLAIN', 'wrong'));
    assert.equal(wrong.code, swaksCodes.authenticationFailed, wrong.stdout);
    assert.match(wrong.stdout, /^<~\*\s+535 5\.7\.8 /m);
    const unknown = await swaks('mx', '--to', addressOf('nobody'));
    assert.equal(unknown.code, swaksCodes.recipientRefused, unknown.stdout);
    assert.match(unknown.stdout, /^<\*\*\s+550 5\.1\.1 /m);
  });

  test('submission without a login, and relaying to elsewhere, are refused', async () => {
    const anonymous = await swaks('submission', '--tls');
    assert.notEqual(anonymous.code, 0);
    assert.match(anonymous.stdout, /\s530 5\.7\.0 /);
    const relayed = await swaks(
      'submission',
      '--tls',
      ...login('PLAIN'),
      '--to',
      'someone@elsewhere.invalid',
    );
    assert.equal(relayed.code, swaksCodes.recipientRefused);
    assert.match(relayed.stdout, /^<~\*\s+55\d 5\.\d\.\d /m);
  });
});
