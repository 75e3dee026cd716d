// POP3 under attack: every command in every state with bad arguments, floods, slow strangers, sessions cut off.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { ask, deliver, forgotten, messagesOf, pop3, unharmed } from './attacked-server.ts';

const verbs = 'USER PASS AUTH STLS UTF8 LANG CAPA STAT LIST UIDL RETR TOP DELE NOOP RSET APOP XYZZY'.split(
  ' ',
);
const badArguments = [
  ' 0',
  ' -1',
  ' 2',
  ' 1 -1',
  ' 1 99999999999',
  ' 4294967297',
  ' 1.0',
  ' 0x1',
  ' 1e0',
  ' ١',
  ' marker\0',
  ' marker\xff',
  ' marker\rQUIT',
  ' PLAIN !!!',
  ' PLAIN *',
  ` ${'A'.repeat(500)}`,
];

describe('POP3 under attack', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', 'bob'],
      settings: ['limits.login_time=2 s', 'authentication.failures_per_address=1000'],
    });
    await deliver(server, 'bob', 'Subject: one\r\n\r\n.dot\r\n..\r\n');
  });
  after(() => unharmed(server));

  const inState = async (state: string): Promise<TestClient> => {
    if (state === 'transaction') return await pop3(server, 'bob');
    const client = await TestClient.connect(server.ports.pop3);
    await client.line();
    return client;
  };

  test('every command, in every state, with every bad argument, has one line of answer', async () => {
    for (const state of ['authorization', 'transaction']) {
      for (const verb of verbs) {
        const client = await inState(state);
        for (const argument of badArguments) {
          const answer = await ask(client, verb + argument);
          const told = `${state} ${JSON.stringify(verb + argument).slice(0, 60)} → ${answer}`;
          assert.match(answer, /^(?:\+OK|-ERR)(?: [\x20-\x7e]{1,490})?$/, told);
          assert(!answer.includes('marker'), told);
          if (!['USER', 'LANG'].includes(verb)) assert.match(answer, /^-ERR/, told);
        }
        client.send('QUIT');
        await client.rest();
        client.destroy();
      }
    }
    assert.equal((await messagesOf(server, 'bob')).length, 1);
  });

  test('a session that is cut off deletes nothing and gives the maildrop back', async () => {
    for (const end of ['reset', 'end'] as const) {
      using client = await pop3(server, 'bob');
      assert.match(await ask(client, 'DELE 1'), /^\+OK/);
      if (end === 'reset') client.socket.resetAndDestroy();
      else client.end();
      await forgotten(server, 'pop3');
      assert.equal((await messagesOf(server, 'bob')).length, 1);
    }
  });

  test('an overlong line ends the session', async () => {
    using client = await inState('authorization');
    client.write(`USER ${'A'.repeat(100_000)}\r\n`);
    assert.match(await client.rest(), /^-ERR/);
  });

  test('three wrong passwords end the session, and nothing tells who exists', async () => {
    const answers: string[] = [];
    for (const user of [addressOf('bob'), addressOf('nobody'), 'bob@elsewhere.test', 'bob']) {
      using client = await inState('authorization');
      const said: string[] = [];
      for (let count = 0; count < 3; count++) {
        said.push(await ask(client, `USER ${user}`), await ask(client, 'PASS wrong'));
      }
      said.push(await client.rest());
      answers.push(said.join('\n'));
    }
    assert.equal(new Set(answers).size, 1, answers.join('\n\n'));
  });

  test('strangers have one deadline for all they do', async () => {
    const plain = await inState('authorization');
    assert.match(await ask(plain, 'AUTH PLAIN'), /^\+ /);
    const drips: [TestClient, string][] = [
      [await inState('authorization'), 'U'],
      [await inState('authorization'), 'CAPA\r\n'],
      [plain, 'Q'],
    ];
    await Promise.all(
      drips.map(async ([client, text]) => {
        const timer = setInterval(() => client.write(text), 200);
        assert.match(await client.rest(), /-ERR idle for too long\r\n$/, text);
        clearInterval(timer);
        client.destroy();
      }),
    );
  });

  test('pipelined commands behind a login are in order, and the answer of none is lost', async () => {
    using client = await TestClient.connect(server.ports.pop3);
    const count = 5_000;
    client.write(
      `USER ${addressOf('bob')}\r\nPASS ${passwordOf('bob')}\r\n${'TOP 1 0\r\nNOOP\r\n'.repeat(count)}QUIT\r\n`,
    );
    const answer = await client.rest();
    assert.equal(answer.match(/\r\n\.\r\n\+OK nothing done/g)?.length, count);
    assert.match(answer, /\+OK bye\r\n$/);
  });
});
