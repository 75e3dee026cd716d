// What an operator reads in the log of a mail server: who logged in from where, who failed to, what was taken and what was
// refused; the same trace id through a session and its messages; and no password, whatever a client makes of it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LineSession } from '../faults/line-session.ts';
import { addressOf, type LogLine, passwordOf, ServerProcess } from '../server-process.ts';

const alice = addressOf('alice');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The fields that say what happened. */
function told(line: LogLine, ...names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, line[name]]));
}

describe('the log', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
  });
  after(() => server.stop());

  /** A connection from an address of its own: its lines are told apart by it. */
  const connect = async (port: number, from: string): Promise<LineSession> =>
    await LineSession.open(port, '127.0.0.1', from);
  const logged = async (remoteAddress: string, msg: string): Promise<LogLine> =>
    await server.logged((line) => line.remoteAddress === remoteAddress && line.msg === msg);
  const failures = [
    { user: alice, password: 'no secret', shown: alice },
    { user: 'nobody@elsewhere.example', password: 'no secret', shown: 'nobody@elsewhere.example' },
    // Somebody pressed the wrong key: that is a password.
    { user: passwordOf('alice'), password: 'no secret', shown: undefined },
    { user: 'p@secret', password: 'no secret', shown: undefined },
  ];

  test('tells logins and failed ones of every protocol, with the address', async () => {
    const logins = {
      imap: (user: string, password: string) => [
        ['* OK'],
        [`1 LOGIN "${user}" "${password}"`, '1 OK', '1 NO'],
      ],
      pop3: (user: string, password: string) => [
        ['+OK'],
        [`USER ${user}`, '+OK'],
        [`PASS ${password}`, '+OK', '-ERR'],
      ],
      submission: (user: string, password: string) => [
        ['220 '],
        ['EHLO client.test', '250 '],
        [`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`, '235', '535'],
      ],
    } as const;
    let client = 1;
    for (const [listener, talk] of Object.entries(logins)) {
      const port = server.ports[listener as keyof typeof logins];
      for (const { user, password, shown } of [
        ...failures,
        { user: alice, password: passwordOf('alice'), shown: alice },
      ]) {
        const from = `127.0.1.${client++}`;
        const session = await connect(port, from);
        for (const [index, [first, ...rest]] of talk(user, password).entries()) {
          if (index > 0) session.write(`${first}\r\n`);
          await session.until(...(index === 0 ? [first!] : rest));
        }
        session.end();
        const isRight = password !== 'no secret';
        const line = await logged(from, isRight ? 'login' : 'login refused');
        const service = listener === 'submission' ? 'smtp' : listener;
        assert.deepEqual(
          told(line, 'service', 'account', 'user', 'outcome'),
          isRight
            ? { service, account: shown, user: undefined, outcome: undefined }
            : { service, account: undefined, user: shown, outcome: 'wrong' },
        );
      }
    }
  });

  test('tells what was refused and what was taken, with one trace id', async () => {
    const from = '127.0.2.1';
    const session = await connect(server.ports.mx, from);
    await session.until('220 ');
    await session.reply('EHLO client.test');
    await session.reply('MAIL FROM:<somebody@client.test>');
    assert.match(await session.reply(`RCPT TO:<${addressOf('nobody')}>`), /^550 5\.1\.1 /);
    await session.reply(`RCPT TO:<${alice}>`);
    await session.reply('DATA');
    assert.match(await session.reply('Subject: x\r\n\r\nbody with a secret\r\n.'), /^250 /);
    session.end();
    const refused = await logged(from, 'refused');
    assert.deepEqual(told(refused, 'listener', 'from', 'command', 'reply'), {
      listener: 'mx',
      from: 'somebody@client.test',
      command: `RCPT TO:<${addressOf('nobody')}>`,
      reply: '550 5.1.1 No such user here',
    });
    const received = await logged(from, 'message received');
    assert.equal(received.traceId, refused.traceId);
    assert.deepEqual(received.to, [{ address: alice, outcome: 'sent' }]);
  });

  test('at level debug it tells what the account stored of a session, with its trace id', async () => {
    await using chatty = await ServerProcess.start({ accounts: ['alice'], settings: ['log.level=debug'] });
    const imap = await LineSession.open(chatty.ports.imap, '127.0.0.1', '127.0.3.1');
    await imap.until('* OK');
    for (const [command, answer] of [
      [`1 LOGIN "${alice}" "${passwordOf('alice')}"`, '1 OK'],
      ['2 CREATE traced', '2 OK'],
    ] as const) {
      imap.write(`${command}\r\n`);
      await imap.until(answer);
    }
    imap.end();
    const login = await chatty.logged((line) => line.remoteAddress === '127.0.3.1' && line.msg === 'login');
    const isOfSession = (line: LogLine): boolean =>
      line.traceId === login.traceId && line.msg === 'change stored';
    assert.equal((await chatty.logged(isOfSession)).change, 'createMailbox');
    await chatty.stop();
  });

  test('has no password and no body in it', () => {
    assert.match(server.stdout, /login refused/);
    assert.doesNotMatch(server.stdout, /secret/);
  });
});

test('one id leads from the connection to the account, on whichever node that is', async () => {
  const settings = ['workers=2', 'log.level=debug'];
  await using server = await ServerProcess.start({ accounts: ['alice'], settings });
  /** A line's worker, with what follows a message. */
  const deliver = async (): Promise<{ readonly received: LogLine; readonly stored: LogLine }> => {
    const session = await LineSession.open(server.ports.mx, '127.0.0.1', '127.0.0.1');
    await session.until('220 ');
    for (const line of ['EHLO client.test', 'MAIL FROM:<x@client.test>', `RCPT TO:<${alice}>`, 'DATA'])
      await session.reply(line);
    const [, message] = /^250 2\.0\.0 OK (\S+)/.exec(await session.reply('Subject: x\r\n\r\nx\r\n.')) ?? [];
    session.end();
    assert.ok(message !== undefined, 'the reply names the message');
    const received = await server.logged(
      (line) => line.msg === 'message received' && line.message === message,
    );
    const stored = await server.logged(
      ({ msg, operation }) => msg === 'change stored' && String(operation).startsWith(`${message}.`),
    );
    assert.equal(stored.traceId, received.traceId);
    return { received, stored };
  };
  // Which worker has a connection is chance.
  for (let tries = 0; ; tries++) {
    assert.ok(tries < 40, 'no connection went to the worker that does not host the account');
    const { received, stored } = await deliver();
    if (received.worker !== stored.worker) break;
  }
  await server.stop();
});
