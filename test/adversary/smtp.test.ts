// SMTP, submission and LMTP under attack: every command in every state with arguments of every bad kind, smuggled ends of
// messages, injected header fields, limits.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, type ListenerName, passwordOf, ServerProcess } from '../server-process.ts';
import { base64, command, messagesOf, smtp, unharmed } from './attacked-server.ts';

const verbs = 'HELO EHLO LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT STARTTLS AUTH VRFY EXPN HELP XYZZY'.split(
  ' ',
);
verbs.push('');
const badArguments = [
  '',
  ' ',
  ' FROM:',
  ' TO:<',
  ' FROM:<>',
  ' TO:<>',
  ' FROM:<a@b> SIZE=',
  ' FROM:<a@b> SIZE=99999999999999999999999',
  ' FROM:<a@b> BODY=XXX',
  ' FROM:<a@b> X=1 X=2',
  ` FROM:<${'a'.repeat(300)}@b>`,
  ' TO:<bob@example.test> NOTIFY=NEVER',
  ' TO:<@@@@>',
  ' 0',
  ' -1',
  ' 99999999999999999 LAST',
  ' PLAIN =',
  ' PLAIN *',
  ' PLAIN !!!!',
  ' SCRAM-SHA-256 biws',
  ' SCRAM-SHA-256-PLUS biws',
  ' marker\0',
  ' marker\xff\xfe',
  ' marker\rNOOP',
  ' marker\xc2\x85x',
  ` marker${'A'.repeat(13_000)}`,
];
const intoState: Record<string, readonly string[]> = {
  connected: [],
  greeted: ['HELLO'],
  mail: ['HELLO', 'MAIL FROM:<a@elsewhere.test>'],
  rcpt: ['HELLO', 'MAIL FROM:<a@elsewhere.test>', 'RCPT TO:<bob@example.test>'],
};

describe('SMTP under attack', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', 'bob'],
      settings: [
        'limits.message_size=1 MiB',
        'limits.recipients=30',
        'limits.smtp_idle=2 s',
        'limits.login_time=2 s',
      ],
    });
  });
  after(() => unharmed(server));

  for (const name of ['mx', 'submission', 'lmtp'] as const) {
    test(`${name}: every command, in every state, with every bad argument, has one well-formed answer`, async () => {
      for (const state of Object.keys(intoState)) {
        await Promise.all(verbs.map((verb) => tryArguments(name, state, verb)));
      }
    });
  }

  async function tryArguments(name: ListenerName, state: string, verb: string): Promise<void> {
    let client: TestClient | undefined;
    for (const [index, argument] of badArguments.entries()) {
      client ??= await inState(name, state);
      client.write(`${verb}${argument}\r\n`);
      const reply = await client.reply();
      const told = `${name} ${state} ${JSON.stringify(verb + argument).slice(0, 60)} → ${reply.join(' | ')}`;
      assert(reply.length > 0, told);
      for (const line of reply) assert.match(line, /^[2-5]\d\d[ -][\x20-\x7e]*$/, told);
      assert(!reply.join().includes('marker'), told);
      // A new client each time something moved on, and before one has made too many errors.
      if (/^[45]/.test(reply[0]!) && verb !== 'BDAT' && index % 10 !== 9) continue;
      client.destroy();
      client = undefined;
    }
    client?.destroy();
  }

  async function inState(name: ListenerName, state: string): Promise<TestClient> {
    const client = await TestClient.connect(server.ports[name]);
    await client.reply();
    for (const line of intoState[state]!) {
      await command(client, line === 'HELLO' ? `${name === 'lmtp' ? 'LHLO' : 'EHLO'} x` : line);
    }
    return client;
  }

  test('nothing but CR LF . CR LF ends a message', async () => {
    const ends = ['', '\r', '\n', '\r\n', '\n\r', '\r\r\n', '\n\n', '\r\n\r', '\0', ' '];
    const smuggled =
      'MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: smuggled';
    for (const before of ends) {
      using client = await smtp(server.ports.mx);
      for (const after of ends) {
        if (before.endsWith('\r\n') && after.startsWith('\r\n')) continue;
        const told = JSON.stringify([before, after]);
        client.write('MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n');
        for (const code of ['250', '250', '354'])
          assert.equal((await client.reply())[0]?.slice(0, 3), code, told);
        client.write(`Subject: first\r\n\r\nbody${before}.${after}${smuggled}\r\n.\r\nNOOP\r\n`);
        const isClean = !/(?<!\r)\n|\r(?!\n)/.test(`${before}.${after}${smuggled}`);
        assert.match((await client.reply())[0]!, isClean ? /^250/ : /^554 5\.6\.0/, told);
        assert.equal((await client.reply())[0], '250 2.0.0 OK', told);
      }
    }
    const messages = await messagesOf(server, 'bob');
    assert(messages.length > 0 && messages.every((message) => message.includes('Subject: first')));
  });

  test('a bare LF ends no command, and the session', async () => {
    using client = await smtp(server.ports.mx);
    client.write('RCPT TO:<x\nMAIL FROM:<evil@elsewhere.test>\r\n');
    assert.equal(await client.rest(), '500 5.5.2 Lines end with CR LF\r\n');
  });

  test('what BDAT counts is never a command', async () => {
    using client = await smtp(server.ports.mx);
    const inner = 'x: y\r\n\r\n.\r\nMAIL FROM:<evil@elsewhere.test>\r\n';
    const chunk = `BDAT ${inner.length}\r\n${inner}`;
    assert.match(await command(client, `${chunk}NOOP`), /^503/);
    assert.match((await client.reply())[0]!, /^250 2\.0\.0 OK/);
    client.write(
      `MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\n${chunk}DATA\r\nBDAT 0 LAST\r\n`,
    );
    const codes: string[] = [];
    for (let count = 0; count < 5; count++) codes.push((await client.reply())[0]!.slice(0, 3));
    assert.deepEqual(codes, ['250', '250', '250', '503', '250']);
    // Nobody knows where the next command starts.
    client.write('BDAT x LAST\r\nMAIL FROM:<evil@elsewhere.test>\r\n');
    assert.equal(await client.rest(), '501 5.5.4 Syntax: BDAT size [LAST]\r\n');
  });

  test('nothing a client says adds a header field', async () => {
    for (const hello of [
      'x\nX-Evil: 1',
      'x\rX-Evil: 1',
      'x y',
      'x;by evil',
      'x(y',
      '<x>',
      'x\xc2\x85y',
      'x\xe2\x80\xa8y',
    ]) {
      using client = await TestClient.connect(server.ports.mx);
      await client.reply();
      assert.match(await command(client, `EHLO ${hello}`), /^50[01]/, JSON.stringify(hello));
    }
    using client = await smtp(server.ports.mx, 'EHLO [192.0.2.1].-:_');
    const senders = [
      '"a>\\"b"@c.test',
      '"a b"@c.test',
      "<@r1.test,@r2.test:x!#$%&'*+/=?^_`{|}~@c.test>".slice(1, -1),
    ];
    for (const sender of senders) {
      for (const line of [`MAIL FROM:<${sender}>`, `RCPT TO:<alice@example.test>`, 'DATA']) {
        assert.match(await command(client, line), /^[23]/, line);
      }
      assert.match(await command(client, 'Subject: injected\r\n\r\nbody\r\n.'), /^250/);
    }
    const paths: string[] = [];
    for (const message of await messagesOf(server, 'alice')) {
      const head = message.slice(0, message.indexOf('\r\n\r\n')).split('\r\n');
      assert.match(head[0]!, /^Return-Path: <.*>$/);
      assert.match(head[1]!, /^Delivered-To: alice@example\.test$/);
      assert.match(head[2]!, /^Received: from \[192\.0\.2\.1\]\.-:_ \(\[127\.0\.0\.1\]\)$/);
      assert.match(head[3]!, /^\tby localhost \(Rookery\) with ESMTP id [a-z0-9.-]+$/);
      assert.equal(head[4], '\tfor <alice@example.test>;');
      assert.equal(head.at(-1), 'Subject: injected');
      assert.equal(head.length, 7);
      paths.push(head[0]!);
    }
    assert.deepEqual(paths, [
      'Return-Path: <"a>\\"b"@c.test>',
      'Return-Path: <"a b"@c.test>',
      "Return-Path: <x!#$%&'*+/=?^_`{|}~@c.test>",
    ]);
  });

  test('recipients beyond the limit are refused one by one, and the others get the message', async () => {
    using client = await smtp(server.ports.mx);
    client.write(`MAIL FROM:<a@elsewhere.test>\r\n${'RCPT TO:<bob@example.test>\r\n'.repeat(200)}DATA\r\n`);
    const codes = new Map<string, number>();
    for (let count = 0; count < 202; count++) {
      const code = (await client.reply())[0]!.slice(0, 9);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    assert.deepEqual([...codes.values()], [1, 30, 170, 1], [...codes.keys()].join());
    assert.match(await command(client, 'Subject: many\r\n\r\n.'), /^250/);
  });

  test('guessing recipients ends the session', async () => {
    using client = await smtp(server.ports.mx);
    client.write(`MAIL FROM:<a@elsewhere.test>\r\n${'RCPT TO:<nobody@example.test>\r\n'.repeat(100)}`);
    const lines = (await client.rest()).split('\r\n');
    assert.equal(lines.filter((line) => line.startsWith('550')).length, 20);
    assert.match(lines.at(-2)!, /^421 4\.7\.0/);
  });

  test('SIZE said and SIZE sent', async () => {
    using client = await smtp(server.ports.mx);
    assert.match(await command(client, 'MAIL FROM:<a@elsewhere.test> SIZE=1048577'), /^552 5\.3\.4/);
    for (const line of ['MAIL FROM:<a@elsewhere.test> SIZE=1', 'RCPT TO:<bob@example.test>', 'DATA']) {
      assert.match(await command(client, line), /^[23]/);
    }
    client.write(`${`${'z'.repeat(1022)}\r\n`.repeat(1100)}.\r\n`);
    assert.match((await client.reply())[0]!, /^552 5\.3\.4/);
    for (const line of ['MAIL FROM:<a@elsewhere.test>', 'RCPT TO:<bob@example.test>'])
      await command(client, line);
    client.write(
      `BDAT 600000\r\n${'z'.repeat(600_000)}BDAT 600000\r\n${'z'.repeat(600_000)}BDAT 1 LAST\r\nz`,
    );
    for (const code of ['250', '552', '503']) assert.equal((await client.reply())[0]!.slice(0, 3), code);
    assert.match(await command(client, 'BDAT 1048577 LAST'), /^552/);
    assert.equal(await client.line(), undefined);
  });

  test('AUTH: cancelled, malformed, in the wrong state, twice', async () => {
    using client = await smtp(server.ports.submission);
    const plain = `AUTH PLAIN ${base64(`\0${addressOf('alice')}\0${passwordOf('alice')}`)}`;
    assert.match(await command(client, 'MAIL FROM:<alice@example.test>'), /^530 5\.7\.0/);
    assert.match(await command(client, 'AUTH PLAIN'), /^334 $/);
    assert.match(await command(client, '*'), /^501 5\.7\.0/);
    for (const bad of ['%%%%', 'QQ', 'QQ==QQ==', `${'A'.repeat(15_000)}`]) {
      await command(client, 'AUTH LOGIN');
      assert.match(await command(client, bad), /^50[01] 5\.5\.[26]/, bad.slice(0, 20));
    }
    assert.match(await command(client, 'AUTH SCRAM-SHA-256-PLUS'), /^504 5\.5\.4/);
    assert.match(await command(client, 'AUTH PLAIN ='), /^501 5\.5\.2/);
    assert.match(await command(client, plain), /^235/);
    assert.match(await command(client, plain), /^503/);
    assert.match(await command(client, 'MAIL FROM:<bob@example.test>'), /^553 5\.7\.1/);
    assert.match(await command(client, 'MAIL FROM:<alice@example.test>'), /^250/);
    assert.match(await command(client, plain), /^503/);
    assert.match(await command(client, 'RCPT TO:<someone@elsewhere.test>'), /^550 5\.7\.1/);
  });

  test('neither a byte now and then nor commands buy time', async () => {
    /** Says something five times a second; gives what the server said to its end. */
    const drip = async (client: TestClient, text: string): Promise<string> => {
      const timer = setInterval(() => client.write(text), 200);
      const rest = await client.rest();
      clearInterval(timer);
      client.destroy();
      return rest;
    };
    const strangers = (['mx', 'submission', 'lmtp'] as const).map((name) =>
      TestClient.connect(server.ports[name]),
    );
    const authenticating = await smtp(server.ports.submission);
    assert.match(await command(authenticating, 'AUTH PLAIN'), /^334/);
    const rests = await Promise.all([
      ...strangers.map(async (client) => drip(await client, 'N')),
      drip(authenticating, 'N'),
      // The time for a login is not longer for who is busy.
      drip(await smtp(server.ports.submission), 'NOOP\r\n'),
    ]);
    for (const rest of rests) assert.match(rest, /421 4\.4\.2 localhost Idle for too long, closing\r\n$/);
  });
});
