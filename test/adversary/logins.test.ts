// Logins under attack: no answer tells who exists, guessing is slowed down and refused, and no password or message body is in
// the log at any level, nor a password in the data directory.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { scramFinal, scramFirst } from '../sessions/scram-client.ts';
import { ask, base64, command, deliver, messagesOf, smtp, unharmed } from './attacked-server.ts';

const wrong = 'Wr0ng-Marker-Pass';
const marker = 'Body-Marker-4711';

interface Credentials {
  readonly user: string;
  readonly password: string;
}
type Way = (server: ServerProcess, credentials: Credentials) => Promise<string>;

const plainOf = ({ user, password }: Credentials): string => base64(`\0${user}\0${password}`);

async function imapLines(server: ServerProcess, ...lines: readonly string[]): Promise<string> {
  using client = await TestClient.connect(server.ports.imap);
  await client.line();
  let answer = '';
  for (const line of lines) answer = await ask(client, line);
  return answer;
}

async function pop3Lines(server: ServerProcess, ...lines: readonly string[]): Promise<string> {
  using client = await TestClient.connect(server.ports.pop3);
  await client.line();
  let answer = '';
  for (const line of lines) answer = await ask(client, line);
  return answer;
}

async function scram(
  first: TestClient,
  prefix: string,
  begin: string,
  { user, password }: Credentials,
): Promise<string> {
  const begun = scramFirst(user);
  const challenge = await ask(first, `${begin} ${base64(begun.message)}`);
  assert(challenge.startsWith(prefix), challenge);
  const serverFirst = Buffer.from(challenge.slice(prefix.length), 'base64').toString();
  const answer = await ask(first, base64(scramFinal(begun, serverFirst, password).message));
  return answer.startsWith(prefix) ? await ask(first, '') : answer;
}

/** Every way to give a password; each resolves to the last line of the answer. */
const ways: Record<string, Way> = {
  'SMTP PLAIN': async (server, credentials) => {
    using client = await smtp(server.ports.submission);
    return await command(client, `AUTH PLAIN ${plainOf(credentials)}`);
  },
  'SMTP PLAIN in two steps': async (server, credentials) => {
    using client = await smtp(server.ports.submission);
    await command(client, 'AUTH PLAIN');
    return await command(client, plainOf(credentials));
  },
  'SMTP LOGIN': async (server, { user, password }) => {
    using client = await smtp(server.ports.submission);
    await command(client, 'AUTH LOGIN');
    await command(client, base64(user));
    return await command(client, base64(password));
  },
  'SMTP SCRAM': async (server, credentials) => {
    using client = await smtp(server.ports.submission);
    return await scram(client, '334 ', 'AUTH SCRAM-SHA-256', credentials);
  },
  'IMAP LOGIN': (server, { user, password }) => imapLines(server, `a LOGIN ${user} "${password}"`),
  'IMAP LOGIN with literals': (server, { user, password }) =>
    imapLines(server, `a LOGIN {${user.length}+}\r\n${user} {${password.length}+}\r\n${password}`),
  'IMAP PLAIN': (server, credentials) => imapLines(server, `a AUTHENTICATE PLAIN ${plainOf(credentials)}`),
  'IMAP SCRAM': async (server, credentials) => {
    using client = await TestClient.connect(server.ports.imap);
    await client.line();
    return await scram(client, '+ ', 'a AUTHENTICATE SCRAM-SHA-256', credentials);
  },
  'POP3 PASS': (server, { user, password }) => pop3Lines(server, `USER ${user}`, `PASS ${password}`),
  'POP3 PLAIN': (server, credentials) => pop3Lines(server, `AUTH PLAIN ${plainOf(credentials)}`),
};

/** Also mistakes that put a password where none belongs. */
const mistakes: Way[] = [
  (server, { password }) => imapLines(server, `a LOGIN "${password}`),
  (server, { user, password }) => imapLines(server, `LOGIN ${user} ${password.replaceAll(' ', '_')} extra`),
  (server, { password }) => pop3Lines(server, `PASS ${password}`),
  (server, { password }) => pop3Lines(server, `APOP ${password}`),
  async (server, { password }) => {
    using client = await smtp(server.ports.submission);
    return await command(client, `AUTH PLAIN ${password}`);
  },
  async (server, { password }) => {
    using client = await smtp(server.ports.mx);
    return await command(client, `${password} MAIL FROM:<${password}>`);
  },
];

const isLoggedIn = (answer: string): boolean => /^(?:235|a OK|\+OK)/.test(answer);

test('no password and no message is in the log, at its most talkative', async () => {
  const settings = [
    'log.level=trace',
    'authentication.failures_per_address=1000',
    'authentication.failures_per_account=1000',
  ];
  await using server = await ServerProcess.start({ accounts: ['alice'], settings });
  const right = { user: addressOf('alice'), password: passwordOf('alice') };
  for (const [name, way] of Object.entries(ways)) {
    assert(isLoggedIn(await way(server, right)), name);
    assert(!isLoggedIn(await way(server, { ...right, password: wrong })), name);
  }
  for (const mistake of mistakes) await mistake(server, { ...right, password: wrong });
  await server.admin.call({
    method: 'PUT',
    path: `/api/accounts/${addressOf('alice')}/password`,
    body: { password: passwordOf('alice') },
  });
  await deliver(server, 'alice', `Subject: log\r\n\r\n${marker}\r\n`);
  assert((await messagesOf(server, 'alice')).join().includes(marker));
  await imapLines(
    server,
    `a LOGIN ${right.user} "${right.password}"`,
    `b APPEND INBOX {${marker.length}+}\r\n${marker}`,
    'c SELECT INBOX',
    `d SEARCH BODY "${marker}"`,
  );
  const secrets = [right.password, wrong, marker].flatMap((text) => [
    text,
    base64(text),
    base64(`\0${right.user}\0${text}`),
  ]);
  const files = readdirSync(server.data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  for (const secret of secrets.slice(0, 6)) assert(!files.some((bytes) => bytes.includes(secret)), secret);
  await unharmed(server);
  for (const secret of secrets) assert(!server.stdout.includes(secret), `${secret} is in the log`);
});

test('an unknown user gets the answers of a wrong password', async () => {
  const settings = ['authentication.failures_per_address=1000'];
  await using server = await ServerProcess.start({ accounts: ['alice', 'bob'], settings });
  await server.admin.call({
    method: 'PATCH',
    path: `/api/accounts/${addressOf('bob')}`,
    body: { enabled: false },
  });
  const right = passwordOf('bob');
  const tried: Credentials[] = [
    { user: addressOf('alice'), password: wrong },
    { user: addressOf('nobody'), password: wrong },
    { user: 'alice@elsewhere.test', password: wrong },
    // Disabled, with the right password and a wrong one.
    { user: addressOf('bob'), password: right },
    { user: addressOf('bob'), password: wrong },
  ];
  for (const [name, way] of Object.entries(ways)) {
    const answers = new Set<string>();
    for (const credentials of tried) answers.add(await way(server, credentials));
    assert.equal(answers.size, 1, `${name}: ${[...answers].join(' | ')}`);
  }
  // SCRAM's salt is an invented user's own, the same every time.
  const salts: string[] = [];
  for (const user of ['nobody', 'nobody', 'somebody', 'alice'].map(addressOf)) {
    using client = await smtp(server.ports.submission);
    const challenge = await command(client, `AUTH SCRAM-SHA-256 ${base64(scramFirst(user).message)}`);
    salts.push(/s=.*$/.exec(Buffer.from(challenge.slice(4), 'base64').toString())![0]);
  }
  assert.equal(salts[0], salts[1]);
  assert.equal(new Set(salts).size, 3);
  assert.deepEqual(new Set(salts.map((salt) => salt.replace(/s=[^,]*/, '').length)).size, 1);
  await unharmed(server);
});

test('guessing is refused after a while, across connections, protocols and mechanisms; mail still comes', async () => {
  const settings = ['authentication.failures_per_account=8', 'authentication.failures_per_address=30'];
  await using server = await ServerProcess.start({ accounts: ['alice', 'bob'], settings });
  const guess = { user: addressOf('bob'), password: wrong };
  // The same wrong password again is a forgetful mail program, not a guess.
  for (const [index, way] of Object.values(ways).entries()) {
    await way(server, { ...guess, password: `${wrong} ${index}` });
  }
  const right = { ...guess, password: passwordOf('bob') };
  const refusals = await Promise.all(
    ['SMTP PLAIN', 'IMAP LOGIN', 'POP3 PASS'].map((name) => ways[name]!(server, right)),
  );
  assert.match(refusals[0]!, /^454 4\.7\.0/);
  assert.match(refusals[1]!, /^a NO \[(?:LIMIT|UNAVAILABLE|INUSE)\]/);
  assert.match(refusals[2]!, /^-ERR \[SYS\/TEMP\]/);
  await unharmed(server);
});
