// Fairness: a client that sends thousands of commands in one piece gives others turns of the event loop in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowTurns } from '../../src/base/testing-turns.ts';
import { openImapServer } from './imap-server.ts';
import { codeOf, greeted, openSmtpServer } from './smtp-fixture.ts';

const commands = 1000;
/** A slice is five looks at this clock, and every command looks once or more; of IMAP's short ones every fourth. */
const turnsMin = commands / 8;
const imapTurnsMin = turnsMin / 4;

test('IMAP: pipelined commands are answered in order, with turns for others', async () => {
  const clock = slowTurns();
  await using server = await openImapServer({}, { clock });
  const client = await server.alice('INBOX');
  const before = clock.turnsGiven;
  const text = Array.from({ length: commands }, (_, index) => `p${index} NOOP\r\n`).join('');
  client.socket.write(text);
  for (let index = 0; index < commands; index++)
    assert.match((await client.line()) ?? '', new RegExp(`^p${index} OK `));
  assert.ok(clock.turnsGiven - before > imapTurnsMin, `${clock.turnsGiven - before} turns`);
});

test('SMTP: pipelined commands are answered in order, with turns for others', async () => {
  const clock = slowTurns();
  await using server = await openSmtpServer('mx', { protocol: { clock } });
  using client = await greeted(server);
  const before = clock.turnsGiven;
  client.write('RSET\r\nEHLO again.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRSET\r\n'.repeat(commands / 4));
  const expected = ['250 2.0.0', '250', '250 2.1.0', '250 2.0.0'];
  for (let index = 0; index < commands; index++)
    assert.equal(codeOf(await client.reply()), expected[index % 4], `command ${index}`);
  assert.ok(clock.turnsGiven - before > turnsMin, `${clock.turnsGiven - before} turns`);
});
