import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHarness, password } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';
import { scramFinal, scramFirst } from './scram-client.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (user: string, secret: string): string => base64(`\0${user}\0${secret}`);

test('the greeting and CAPABILITY tell the same, before and after the login', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  const before =
    'CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN';
  assert.equal(a.greeting, `* OK [${before}] mail.example.test Rookery ready`);
  await a.send('CAPABILITY').tells(`* ${before}`);
  const answer = await a
    .send(`LOGIN alice@example.test "${password}"`)
    .ok(/^CAPABILITY IMAP4rev1 IMAP4rev2 .* IDLE /);
  await a.send('capability').tells(`* ${answer.code}`);
});

test('what a state does not allow is BAD and changes nothing', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  for (const command of [
    'SELECT INBOX',
    'LIST "" *',
    'NOOP x',
    'FETCH 1 FLAGS',
    'IDLE',
    'APPEND INBOX {1+}\r\nx',
  ]) {
    await a.send(command).bad();
  }
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  for (const command of [
    'LOGIN a b',
    'AUTHENTICATE PLAIN',
    'STARTTLS',
    'FETCH 1 FLAGS',
    'CLOSE',
    'UNSELECT',
    'CHECK',
  ]) {
    await a.send(command).bad();
  }
  await a.send('SELECT INBOX').ok('READ-WRITE');
  await a.send('UNSELECT').ok();
  await a.send('UID FETCH 1 FLAGS').bad();
  await a.send('EXAMINE INBOX').ok('READ-ONLY');
  await a.send('CLOSE').ok();
  await a.send('NOOP').tells();
  await a.send('LOGOUT').tells('* BYE Logging out');
  assert.equal(await a.line(), undefined);
});

test('AUTHENTICATE: PLAIN, LOGIN and SCRAM, with and without an initial response', async () => {
  await using server = await openImapServer();
  const user = 'alice@example.test';
  const a = await server.connect();
  await a.send(`AUTHENTICATE PLAIN ${plain(user, password)}`).ok(/^CAPABILITY/);

  const b = await server.connect();
  const slow = b.send('AUTHENTICATE plain');
  b.socket.send(plain(user, password));
  assert.deepEqual((await slow.ok()).untagged, ['+ ']);

  const c = await server.connect();
  const asked = c.send('AUTHENTICATE LOGIN');
  c.socket.send(base64(user));
  c.socket.send(base64(password));
  assert.deepEqual((await asked.ok()).untagged, ['+ VXNlcm5hbWU6', '+ UGFzc3dvcmQ6']);

  const d = await server.connect();
  const first = scramFirst(user);
  d.socket.send(`s1 AUTHENTICATE SCRAM-SHA-256 ${base64(first.message)}`);
  const challenge = Buffer.from((await d.socket.line())!.slice(2), 'base64').toString();
  const final = scramFinal(first, challenge, password);
  d.socket.send(base64(final.message));
  assert.equal(await d.socket.line(), `+ ${base64(final.serverFinal)}`);
  d.socket.send('');
  await d.expect('s1').ok(/^CAPABILITY/);
});

test('AUTHENTICATE SCRAM-SHA-256-PLUS is bound to its TLS session', async () => {
  await using harness = await openHarness();
  const listener = await harness.listen(imapFor(harness, { offersTls: true }), 'starttls');
  using a = await ImapClient.connect(listener.port);
  await a.send('STARTTLS').ok();
  const tls = await a.socket.startTls();
  const exported = tls.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  for (const [tag, binding] of [
    ['p1', Buffer.alloc(32)],
    ['p2', exported],
  ] as const) {
    const first = scramFirst('alice@example.test', binding);
    a.socket.send(`${tag} AUTHENTICATE SCRAM-SHA-256-PLUS ${base64(first.message)}`);
    const challenge = Buffer.from((await a.socket.line())!.slice(2), 'base64').toString();
    const final = scramFinal(first, challenge, password);
    a.socket.send(base64(final.message));
    if (binding !== exported) {
      await a.expect(tag).no('AUTHENTICATIONFAILED');
      continue;
    }
    assert.equal(await a.socket.line(), `+ ${base64(final.serverFinal)}`);
    a.socket.send('');
    await a.expect(tag).ok(/^CAPABILITY/);
  }
});

test('logins that fail: wrong, cancelled, malformed, unknown mechanism, too many', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  await a.send('AUTHENTICATE CRAM-MD5').no('CANNOT');
  const cancelled = a.send('AUTHENTICATE PLAIN');
  a.socket.send('*');
  await cancelled.bad();
  const malformed = a.send('AUTHENTICATE PLAIN');
  a.socket.send('!');
  await malformed.bad();
  await a.send('LOGIN alice@example.test wrong').no('AUTHENTICATIONFAILED');
  await a.send('LOGIN nobody@example.test wrong').no('AUTHENTICATIONFAILED');
  await a.send(`AUTHENTICATE PLAIN ${plain('alice@example.test', 'wrong')}`).no('AUTHENTICATIONFAILED');
  assert.equal(await a.line(), '* BYE Too many failed logins');
  assert.equal(await a.line(), undefined);
});

test('before TLS nobody may log in unless it is allowed; STARTTLS opens the way', async () => {
  await using harness = await openHarness();
  const listener = await harness.listen(
    imapFor(harness, { offersTls: true, allowCleartextLogin: false }),
    'starttls',
  );
  using a = await ImapClient.connect(listener.port);
  await a
    .send('CAPABILITY')
    .tells('* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE STARTTLS LOGINDISABLED');
  await a.send(`LOGIN alice@example.test "${password}"`).no('PRIVACYREQUIRED');
  await a.send('AUTHENTICATE PLAIN').no('PRIVACYREQUIRED');
  await a.send('STARTTLS').ok();
  await a.socket.startTls();
  await a.send('STARTTLS').bad();
  const { untagged } = await a.send('CAPABILITY').ok();
  assert.match(untagged[0]!, /ENABLE AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN$/);
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
});

test('commands behind STARTTLS in the clear end the session', async () => {
  await using harness = await openHarness();
  const listener = await harness.listen(imapFor(harness, { offersTls: true }), 'starttls');
  using a = await ImapClient.connect(listener.port);
  a.socket.write('a STARTTLS\r\nb LOGIN alice@example.test wrong\r\n');
  await a.expect('a').bad();
  assert.match((await a.line())!, /^\* BYE /);
});

test('implicit TLS', async () => {
  await using harness = await openHarness();
  const listener = await harness.listen(imapFor(harness, { allowCleartextLogin: false }), 'implicit');
  using a = await ImapClient.connect(listener.port, true);
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
});

test('pipelined commands are answered in order', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  const login = a.send(`LOGIN alice@example.test "${password}"`);
  const appended = a.append('INBOX', mail('one'));
  const select = a.send('SELECT INBOX');
  const fetched = a.send('FETCH 1 FLAGS');
  const end = a.send('LOGOUT');
  await login.ok();
  await appended.ok(/^APPENDUID \d+ 1$/);
  await select.ok();
  await fetched.tells('* 1 FETCH (FLAGS (\\Recent))');
  await end.ok();
});

test('literals: synchronising, non-synchronising, in a login, in pieces', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  a.socket.write('x1 LOGIN {18}\r\n');
  assert.match((await a.socket.line())!, /^\+ /);
  a.socket.write('alice@example.test {13+}\r\ncorrect ');
  a.socket.write('horse\r\n');
  await a.expect('x1').ok();
  a.socket.write('x2 APPEND {5}\r\n');
  assert.match((await a.socket.line())!, /^\+ /);
  a.socket.write('INBOX {4}\r\n');
  assert.match((await a.socket.line())!, /^\+ /);
  a.socket.write('a: b\r\n');
  await a.expect('x2').ok(/^APPENDUID/);
});

test('what is no command is BAD; too many of them end the session', async () => {
  await using server = await openImapServer({ badCommandsMax: 4 });
  const a = await server.connect();
  a.socket.send('');
  assert.match((await a.line())!, /^\* BAD /);
  await a.send('FROBNICATE').bad();
  await a.send('UID NOOP').bad();
  await a.send('NOOP').ok();
  for (let count = 0; count < 4; count++) await a.send('FROBNICATE').bad();
  assert.equal(await a.line(), '* BYE Too many bad commands');
  assert.equal(await a.line(), undefined);
});

test('a line without end is cut off', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  a.socket.write(`a NOOP ${'x'.repeat(70_000)}`);
  assert.equal(await a.line(), '* BYE Command line is too long');
});

test('strangers have one deadline, users the idle timeout', async () => {
  await using server = await openImapServer({ loginTimeoutMs: 1 });
  const a = await server.connect();
  assert.equal(await a.line(), '* BYE Idle for too long');
});

test('a draining server says goodbye', async () => {
  await using harness = await openHarness();
  const listener = await harness.listen(imapFor(harness));
  using a = await ImapClient.login(listener.port, 'alice', 'INBOX');
  using b = await ImapClient.login(listener.port, 'bob', 'INBOX');
  await b.idle();
  const closed = listener.close(10_000);
  assert.equal(await a.line(), '* BYE Server is shutting down');
  assert.equal(await b.line(), '* BYE Server is shutting down');
  assert.equal(await b.line(), undefined);
  a.socket.end();
  b.socket.end();
  await closed;
});

test('ID, NAMESPACE, ENABLE, NOOP, CHECK', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  await a.send('ID NIL').tells('* ID ("name" "Rookery")');
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  await a.send('ID ("name" "test")').tells('* ID ("name" "Rookery" "version" "0.0.0")');
  await a.send('NAMESPACE').tells('* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))');
  await a.send('ENABLE CONDSTORE X-UNKNOWN').tells('* ENABLED CONDSTORE');
  await a.send('ENABLE X-UNKNOWN').tells('* ENABLED');
  await a.send('SELECT INBOX').ok();
  await a.send('NOOP').tells();
  await a.send('CHECK').tells();
});

test('an account that is closed ends its sessions, idle or waiting', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice('INBOX');
  await b.idle();
  const { accountId } = await server.harness.account('alice');
  await server.harness.accounts.endSessions(accountId);
  assert.equal(await b.line(), '* BYE Account is no longer available');
  assert.equal(await b.line(), undefined);
  assert.equal(await a.line(), '* BYE Account is no longer available');
});

test('a login whose password is changed while its account is being opened ends with it', async () => {
  await using harness = await openHarness();
  const open = async (...asked: Parameters<typeof harness.accounts.open>) => {
    const port = await harness.accounts.open(...asked);
    await harness.directory.setPassword(port.accountId, password);
    await harness.accounts.endSessions(port.accountId);
    return port;
  };
  const { port } = await harness.listen(imapFor(harness, { accounts: { open } }));
  using a = await ImapClient.connect(port);
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  a.write('NOOP');
  assert.equal(await a.line(), '* BYE Login has ended');
  assert.equal(await a.line(), undefined);
});

test('an administrator who acts for somebody does so until his own login ends', async () => {
  await using harness = await openHarness();
  const { directory, accounts } = harness;
  const id = await harness.addAccount('root', { administrator: true });
  const { port } = await harness.listen(imapFor(harness));
  const ends = [
    () => directory.setPassword(id, password),
    () => directory.setAccount(id, { enabled: false }),
    () => directory.setAccount(id, { administrator: false }),
  ];
  const secret = base64(`alice@example.test\0root@example.test\0${password}`);
  for (const end of ends) {
    await directory.setAccount(id, { enabled: true, administrator: true });
    using live = await ImapClient.connect(port);
    await live.send(`AUTHENTICATE PLAIN ${secret}`).ok();
    await live.send('SELECT INBOX').ok();
    await end();
    await accounts.endSessions(id);
    live.write('NOOP');
    assert.equal(await live.line(), '* BYE Account is no longer available');
    assert.equal(await live.line(), undefined);
  }
  // Also when his account was still being opened.
  await directory.setAccount(id, { enabled: true, administrator: true });
  const open = async (...asked: Parameters<typeof accounts.open>) => {
    await directory.setPassword(id, password);
    return accounts.open(...asked);
  };
  const { port: slow } = await harness.listen(imapFor(harness, { accounts: { open } }));
  using late = await ImapClient.connect(slow);
  await late.send(`AUTHENTICATE PLAIN ${secret}`).ok();
  late.write('NOOP');
  assert.equal(await late.line(), '* BYE Login has ended');
});
