import assert from 'node:assert/strict';
import { createHmac, hash, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import type { AccountPort } from '../../src/account/port.ts';
import { Fault } from '../../src/base/fault.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { deliver, openPop3Server, Pop3Client, type Pop3Server, password } from './pop3-fixture.ts';

const hello = 'Subject: hello\r\n\r\nfirst line\r\nsecond line\r\n';
const dots = 'Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n';

test('a session of RFC 1939: greeting to QUIT', async () => {
  await using server = await openPop3Server();
  await deliver(server, hello, dots);
  const raw = await TestClient.connect(server.port);
  assert.equal(await raw.line(), '+OK mail.example.test Rookery POP3 ready');
  using client = new Pop3Client(raw);
  assert.equal(await client.ask('STAT'), '-ERR log in first');
  assert.equal(await client.ask('PASS x'), '-ERR USER comes first');
  assert.equal(await client.ask('user alice@example.test'), '+OK send PASS');
  const total = hello.length + dots.length;
  assert.equal(await client.ask(`PASS ${password}`), `+OK maildrop has 2 messages (${total} octets)`);
  assert.equal(await client.ask('STAT'), `+OK 2 ${total}`);
  assert.deepEqual(await client.askLines('LIST'), [`1 ${hello.length}`, `2 ${dots.length}`]);
  assert.equal(await client.ask('LIST 2'), `+OK 2 ${dots.length}`);
  assert.equal(await client.ask('LIST 3'), '-ERR no such message');
  assert.deepEqual(await client.askLines('RETR 1'), hello.split('\r\n').slice(0, -1));
  assert.deepEqual(await client.askLines('RETR 2'), dots.split('\r\n').slice(0, -1));
  assert.deepEqual(await client.askLines('TOP 1 0'), ['Subject: hello', '']);
  assert.deepEqual(await client.askLines('TOP 1 1'), ['Subject: hello', '', 'first line']);
  assert.deepEqual(await client.askLines('TOP 1 99'), hello.split('\r\n').slice(0, -1));
  assert.equal(await client.ask('NOOP'), '+OK nothing done');
  assert.equal(await client.ask('DELE 1'), '+OK message 1 marked');
  assert.equal(await client.ask('DELE 1'), '-ERR no such message');
  assert.equal(await client.ask('RETR 1'), '-ERR no such message');
  assert.equal(await client.ask('STAT'), `+OK 1 ${dots.length}`);
  assert.equal(await client.ask('RSET'), `+OK 2 messages (${total} octets)`);
  assert.equal(await client.ask('STAT'), `+OK 2 ${total}`);
  assert.equal(await client.ask('QUIT'), '+OK bye');
  assert.equal(await raw.line(), undefined);
});

test('NULs are sent as they came', async () => {
  await using server = await openPop3Server();
  const lines = ['Subject: n\0l', '', 'a\0b', '\0'];
  await deliver(server, `${lines.join('\r\n')}\r\n`);
  using client = await Pop3Client.loggedIn(server);
  assert.deepEqual(await client.askLines('RETR 1'), lines);
  assert.deepEqual(await client.askLines('TOP 1 1'), lines.slice(0, 3));
});

test('QUIT removes what was marked, and only that; UIDL stays the same', async () => {
  await using server = await openPop3Server();
  await deliver(server, hello, dots, hello);
  using first = await Pop3Client.loggedIn(server);
  const before = await first.askLines('UIDL');
  assert.match(before[0]!, /^1 [0-9a-f]{16}$/);
  assert.equal(new Set(before.map((line) => line.split(' ')[1])).size, 3);
  assert.equal(await first.ask('DELE 2'), '+OK message 2 marked');
  assert.equal(await first.ask('QUIT'), '+OK 1 messages deleted, bye');
  using second = await Pop3Client.loggedIn(server);
  const after = await second.askLines('UIDL');
  assert.deepEqual(
    after.map((line) => line.split(' ')[1]),
    [before[0], before[2]].map((line) => line!.split(' ')[1]),
  );
  assert.equal(await second.ask('UIDL 2'), `+OK ${after[1]}`);
});

test('a session that ends without QUIT removes nothing and frees the maildrop', async () => {
  await using server = await openPop3Server();
  await deliver(server, hello);
  const first = await Pop3Client.loggedIn(server);
  await first.ask('DELE 1');
  using second = await Pop3Client.connect(server);
  await second.ask('USER alice@example.test');
  assert.equal(await second.ask(`PASS ${password}`), '-ERR [IN-USE] another session has this maildrop');
  first.raw.end();
  assert.equal(await first.raw.line(), undefined);
  await second.ask('USER alice@example.test');
  assert.equal(await second.ask(`PASS ${password}`), `+OK maildrop has 1 messages (${hello.length} octets)`);
});

test('QUIT that cannot remove says so', async () => {
  await using server = await openPop3Server();
  await deliver(server, hello, dots);
  server.wrap = (port) =>
    new Proxy(port, {
      get: (target, name) => {
        if (name === 'expunge') return () => Promise.reject(new Fault('disk', { temporary: true }));
        const member = target[name as keyof AccountPort];
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  using client = await Pop3Client.loggedIn(server);
  await client.ask('DELE 1');
  await client.ask('DELE 2');
  assert.equal(await client.ask('QUIT'), '-ERR [SYS/TEMP] 2 messages were not deleted, try again later');
  assert.equal(await client.raw.line(), undefined);
  server.wrap = (port) => port;
  using again = await Pop3Client.loggedIn(server);
  assert.match((await again.ask('STAT'))!, /^\+OK 2 /);
});

test('pipelined commands are answered in order, read ahead or not', async () => {
  await using server = await openPop3Server();
  const messages = Array.from(
    { length: 40 },
    (_, index) => `Subject: ${index}\r\n\r\n.${'x'.repeat(index * 100)}\r\n`,
  );
  await deliver(server, ...messages);
  using client = await Pop3Client.connect(server);
  const commands = ['USER alice@example.test', `PASS ${password}`, 'STAT', 'LIST 40'];
  for (let number = 1; number <= 40; number++) commands.push(`RETR ${number}`);
  client.raw.write(`${commands.join('\r\n')}\r\nRETR 7\r\nDELE 3\r\nRETR 3\r\nQUIT\r\n`);
  assert.equal(await client.raw.line(), '+OK send PASS');
  for (let skipped = 0; skipped < 3; skipped++) assert.match((await client.raw.line())!, /^\+OK /);
  const read = async (message: string) => {
    assert.equal(await client.raw.line(), `+OK ${message.length} octets`);
    assert.equal(`${(await client.lines()).join('\r\n')}\r\n`, message);
  };
  for (const message of messages) await read(message);
  await read(messages[6]!);
  assert.equal(await client.raw.line(), '+OK message 3 marked');
  assert.equal(await client.raw.line(), '-ERR no such message');
  assert.equal(await client.raw.line(), '+OK 1 messages deleted, bye');
});

test('a message larger than any buffer comes whole, and TOP of it in part', async () => {
  const limits = { readAheadBytes: 64 * 1024, pieceBytes: 10_000 };
  await using server = await openPop3Server({ limits });
  const lines = Array.from({ length: 40_000 }, (_, index) => `${index % 7 === 0 ? '.' : ''}line ${index}`);
  const text = `Subject: large\r\n\r\n${lines.join('\r\n')}\r\n`;
  await deliver(server, hello, text);
  using client = await Pop3Client.loggedIn(server);
  const got = await client.askLines('RETR 2');
  assert.equal(hash('sha256', `${got.join('\r\n')}\r\n`), hash('sha256', text));
  const top = await client.askLines('TOP 2 30000');
  assert.deepEqual(top.slice(2), lines.slice(0, 30_000));
  assert.equal((await client.askLines('TOP 2 50000')).length, 40_002);
});

test('bare LF is sent as CRLF; a message without a line end gets one', async () => {
  await using server = await openPop3Server();
  await deliver(server, 'Subject: unix\n\n.a\nb', '');
  using client = await Pop3Client.loggedIn(server);
  client.raw.send('RETR 1');
  const expected = '+OK 24 octets\r\nSubject: unix\r\n\r\n..a\r\nb\r\n.\r\n';
  assert.equal((await client.raw.bytes(expected.length)).toString('latin1'), expected);
  assert.deepEqual(await client.askLines('TOP 1 1'), ['Subject: unix', '', '.a']);
});

test('CAPA before and after TLS and login', async () => {
  await using server = await openPop3Server({ allowCleartextLogin: false });
  using client = await Pop3Client.connect(server);
  const clear = await client.askLines('CAPA');
  assert.ok(clear.includes('STLS'));
  assert.ok(!clear.some((line) => line === 'USER' || line.startsWith('SASL')));
  assert.equal(await client.ask('USER alice@example.test'), '-ERR start TLS first');
  assert.equal(await client.ask('AUTH PLAIN'), '-ERR start TLS first');
  assert.equal(await client.ask('STLS'), '+OK begin TLS');
  await client.raw.startTls();
  const secure = await client.askLines('CAPA');
  for (const line of [
    'TOP',
    'UIDL',
    'USER',
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'PIPELINING',
    'UTF8 USER',
    'LANG',
  ]) {
    assert.ok(secure.includes(line), line);
  }
  for (const line of ['EXPIRE NEVER', 'IMPLEMENTATION Rookery']) assert.ok(secure.includes(line), line);
  assert.match(secure.find((line) => line.startsWith('SASL'))!, /SCRAM-SHA-256.* PLAIN LOGIN$/);
  assert.ok(!secure.includes('STLS'));
  assert.equal(await client.ask('STLS'), '-ERR TLS cannot be started here');
  await client.ask('USER alice@example.test');
  assert.match((await client.ask(`PASS ${password}`))!, /^\+OK/);
  assert.ok((await client.askLines('CAPA')).includes('USER'));
  assert.equal(await client.ask('STLS'), '-ERR not after the login');
});

test('STLS: what is sent behind it is refused, what was said before it forgotten', async () => {
  await using server = await openPop3Server();
  using client = await Pop3Client.connect(server);
  client.raw.write('STLS\r\nUSER mallory\r\n');
  assert.equal(await client.raw.line(), '-ERR nothing may follow STLS');
  assert.equal(await client.raw.line(), undefined);
  using other = await Pop3Client.connect(server);
  await other.ask('USER alice@example.test');
  await other.ask('STLS');
  await other.raw.startTls();
  assert.equal(await other.ask(`PASS ${password}`), '-ERR USER comes first');
});

test('TLS from the first byte', async () => {
  await using server = await openPop3Server({ tls: 'implicit', allowCleartextLogin: false });
  using client = new Pop3Client(await TestClient.connectTls(server.port));
  assert.match((await client.raw.line())!, /^\+OK/);
  await client.ask('USER alice@example.test');
  assert.match((await client.ask(`PASS ${password}`))!, /^\+OK/);
});

test('AUTH: PLAIN with and without initial response, LOGIN, cancel, nonsense', async () => {
  await using server = await openPop3Server();
  const plain = Buffer.from(`\0alice@example.test\0${password}`).toString('base64');
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  using client = await Pop3Client.connect(server);
  assert.deepEqual(await client.askLines('AUTH'), ['SCRAM-SHA-256', 'PLAIN', 'LOGIN']);
  assert.equal(await client.ask('AUTH CRAM-MD5'), '-ERR unknown mechanism');
  assert.equal(await client.ask('AUTH PLAIN'), '+ ');
  assert.equal(await client.ask('*'), '-ERR cancelled');
  assert.equal(await client.ask('AUTH PLAIN !!!'), '-ERR not base64');
  assert.equal(await client.ask('AUTH LOGIN'), `+ ${base64('Username:')}`);
  assert.equal(await client.ask(base64('alice@example.test')), `+ ${base64('Password:')}`);
  assert.equal(await client.ask(base64('wrong')), '-ERR [AUTH] user or password is wrong');
  assert.equal(await client.ask('AUTH PLAIN'), '+ ');
  assert.match((await client.ask(plain))!, /^\+OK maildrop/);
  await client.ask('QUIT');
  using other = await Pop3Client.connect(server);
  assert.match((await other.ask(`AUTH plain ${plain}`))!, /^\+OK maildrop/);
});

/** The client's side of SCRAM by AUTH; the last reply. */
async function scram(
  client: Pop3Client,
  mechanism: string,
  header: string,
  binding: Uint8Array,
): Promise<string> {
  const decode = (line: string | undefined) => Buffer.from(line?.slice(2) ?? '', 'base64').toString();
  const bare = 'n=alice@example.test,r=abcdef';
  const first = await client.ask(`AUTH ${mechanism} ${Buffer.from(header + bare).toString('base64')}`);
  if (first?.startsWith('+ ') !== true) return first ?? 'closed';
  const serverFirst = decode(first);
  const [, nonce, salt, iterations] = /^r=(.+),s=(.+),i=(\d+)$/.exec(serverFirst)!;
  const hmac = (key: Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=${Buffer.concat([Buffer.from(header), binding]).toString('base64')},r=${nonce}`;
  const authMessage = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(hash('sha256', clientKey, 'buffer'), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index]!)).toString('base64');
  const final = await client.ask(Buffer.from(`${withoutProof},p=${proof}`).toString('base64'));
  if (final?.startsWith('+ ') !== true) return final ?? 'closed';
  assert.equal(decode(final), `v=${hmac(hmac(salted, 'Server Key'), authMessage).toString('base64')}`);
  return (await client.ask('')) ?? 'closed';
}

test('AUTH SCRAM-SHA-256 in the clear, -PLUS bound to the TLS session', async () => {
  await using server = await openPop3Server();
  using client = await Pop3Client.connect(server);
  const nothing = new Uint8Array(0);
  assert.match(await scram(client, 'SCRAM-SHA-256', 'n,,', nothing), /^\+OK maildrop/);
  await client.ask('QUIT');
  using secure = await Pop3Client.connect(server);
  await secure.ask('STLS');
  const tls = await secure.raw.startTls();
  const exporter = tls.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  const plus = 'SCRAM-SHA-256-PLUS';
  const header = 'p=tls-exporter,,';
  const refused = '-ERR [AUTH] user or password is wrong';
  assert.equal(await scram(secure, 'SCRAM-SHA-256', 'y,,', nothing), refused);
  assert.equal(await scram(secure, plus, header, Buffer.alloc(32)), refused);
  assert.match(await scram(secure, plus, header, exporter), /^\+OK maildrop/);
});

test('wrong passwords: the same answer for unknown users, and the end after three', async () => {
  await using server = await openPop3Server();
  using client = await Pop3Client.connect(server);
  for (const user of ['alice@example.test', 'nobody@example.test', 'alice@example.test']) {
    assert.equal(await client.ask(`USER ${user}`), '+OK send PASS');
    assert.equal(await client.ask('PASS wrong'), '-ERR [AUTH] user or password is wrong');
  }
  assert.equal(await client.raw.line(), undefined);
});

test('raw UTF-8 in headers: a surrogate, until the client says UTF8', async () => {
  await using server = await openPop3Server();
  const message = Buffer.from('Subject: Grüße\r\n\r\nfür dich\r\n').toString('latin1');
  await deliver(server, message);
  using first = await Pop3Client.loggedIn(server);
  const lines = await first.askLines('RETR 1');
  assert.deepEqual(lines, [
    'Subject: =?utf-8?B?R3LDvMOfZQ==?=',
    '',
    Buffer.from('für dich').toString('latin1'),
  ]);
  await first.ask('QUIT');
  using second = await Pop3Client.connect(server);
  assert.equal(await second.ask('UTF8'), '+OK UTF-8 mode');
  assert.equal(await second.ask('STLS'), '-ERR TLS comes before UTF8');
  await second.ask('USER alice@example.test');
  await second.ask(`PASS ${password}`);
  assert.deepEqual(await second.askLines('RETR 1'), message.split('\r\n').slice(0, -1));
});

test('LANG', async () => {
  await using server = await openPop3Server();
  using client = await Pop3Client.connect(server);
  assert.deepEqual(await client.askLines('LANG'), ['en English']);
  assert.match((await client.ask('LANG *'))!, /^\+OK en /);
  assert.match((await client.ask('LANG en-GB'))!, /^\+OK en /);
  assert.match((await client.ask('LANG MUL'))!, /^-ERR /);
});

test('bad commands and long lines end the session', async () => {
  await using server = await openPop3Server({ limits: { badCommandsMax: 3 } });
  using client = await Pop3Client.connect(server);
  assert.equal(await client.ask('EHLO x'), '-ERR unknown command');
  assert.equal(await client.ask('USER'), '-ERR an argument is missing');
  assert.equal(await client.ask('QUIT now'), '-ERR this command has no argument');
  assert.equal(await client.raw.line(), '-ERR too many bad commands');
  assert.equal(await client.raw.line(), undefined);
  using other = await Pop3Client.connect(server);
  assert.equal(await other.ask('x'.repeat(5000)), '-ERR line is too long');
});

test('LOGIN-DELAY', async () => {
  await using server = await openPop3Server({ limits: { loginDelaySeconds: 60 } });
  using first = await Pop3Client.loggedIn(server);
  assert.ok((await first.askLines('CAPA')).includes('LOGIN-DELAY 60'));
  await first.ask('QUIT');
  using second = await Pop3Client.connect(server);
  await second.ask('USER alice@example.test');
  assert.match((await second.ask(`PASS ${password}`))!, /^-ERR \[LOGIN-DELAY\] /);
});

test('a message that another session removed is refused; numbers stay', async () => {
  await using server = await openPop3Server();
  await deliver(server, hello, dots);
  using client = await Pop3Client.loggedIn(server);
  const port = await server.hosts.open(server.alice.id);
  const { info, uids } = await port.openMailbox({ role: 'inbox' }, { claimRecent: false });
  await port.expunge({
    operation: 'other-1' as never,
    mailboxId: info.id,
    uids: uids.subarray(0, 1),
    anyFlags: true,
  });
  assert.equal(await client.ask('RETR 1'), '-ERR another session removed this message');
  assert.equal(await client.ask('TOP 1 0'), '-ERR another session removed this message');
  assert.deepEqual(await client.askLines('RETR 2'), dots.split('\r\n').slice(0, -1));
  await client.ask('DELE 1');
  assert.equal(await client.ask('QUIT'), '+OK 1 messages deleted, bye');
});

test('an account that is removed ends its sessions; a server that drains says goodbye', async () => {
  await using server = await openPop3Server();
  using client = await Pop3Client.loggedIn(server);
  await server.hosts.remove(server.alice.id);
  assert.equal(await client.raw.line(), '-ERR login has ended, or the account is no longer available');
  assert.equal(await client.raw.line(), undefined);
  using idle = await Pop3Client.connect(server);
  const closed = server.close(5_000);
  assert.equal(await idle.raw.line(), '-ERR [SYS/TEMP] server is shutting down');
  idle.raw.end();
  await closed;
});

test('a login whose password is changed while its maildrop is being opened ends with it', async () => {
  await using server: Pop3Server = await openPop3Server({
    accounts: {
      open: async (id) => {
        await server.directory.setPassword(id, password);
        return server.hosts.open(id);
      },
    },
  });
  using client = await Pop3Client.connect(server);
  await client.ask('USER alice@example.test');
  assert.equal(await client.ask(`PASS ${password}`), undefined);
});

test('an administrator reads the maildrop of somebody until his own login ends', async () => {
  await using server = await openPop3Server();
  const address = 'root@example.test';
  const { id } = await server.directory.addAccount({ address, password, administrator: true });
  const secret = Buffer.from(`alice@example.test\0${address}\0${password}`).toString('base64');
  using client = await Pop3Client.connect(server);
  assert.match((await client.ask(`AUTH PLAIN ${secret}`)) ?? '', /^\+OK/);
  server.hosts.endSessions(id);
  assert.equal(await client.raw.line(), '-ERR login has ended, or the account is no longer available');
  assert.equal(await client.raw.line(), undefined);
});
