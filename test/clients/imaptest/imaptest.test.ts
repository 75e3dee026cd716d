// The runner of imaptest's scripts: our own scripts in that format pass, as the program that an operator starts runs them, and scripts
// that say what the server does not do are told with their lines.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../run-program.ts';
import { password } from '../../sessions/harness.ts';
import { type ImapServer, openImapServer } from '../../sessions/imap-server.ts';
import { ScriptMessages } from './script-messages.ts';
import { parseScript } from './script-parser.ts';
import { runScript, type ScriptOutcome, type ScriptServer } from './script-runner.ts';

const program = fileURLToPath(new URL('run.ts', import.meta.url));
const scripts = fileURLToPath(new URL('scripts', import.meta.url));
const user = 'alice@example.test';

function scriptServer({ port }: ImapServer): ScriptServer {
  return { host: '127.0.0.1', port, tls: false, user, password };
}

const messages = (): ScriptMessages =>
  new ScriptMessages(
    'From a@b.test  Fri Feb 22 17:06:23 2008 +0200\nSubject: one\n\nHello\nFrom here\n\nFrom a@b.test  not a time\nSubject: two\n\n',
  );

async function outcomeOf(server: ImapServer, script: string): Promise<ScriptOutcome> {
  return runScript(parseScript(script), messages(), scriptServer(server));
}

/** What differs, as `line: expected`. */
function differences(outcome: ScriptOutcome): string[] {
  assert(outcome.kind === 'failed', outcome.kind);
  return outcome.differences.map(({ line, expected }) => `${line}: ${expected}`);
}

test('scripts of our own, run as an operator runs those of imaptest', async () => {
  await using server = await openImapServer();
  const place = [
    '--host',
    '127.0.0.1',
    '--port',
    String(server.port),
    '--user',
    user,
    '--password',
    password,
  ];
  const { code, stdout, stderr } = await runProgram(process.execPath, [program, ...place, scripts]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, stdout);
  assert.match(stdout, /^ok {7}pipelined-numbers$/m);
  assert.match(stdout, /^[1-9]\d* ok, 0 failed, 0 skipped\n$/m);
});

test('what differs is told with its line and what came instead', async () => {
  await using server = await openImapServer();
  const outcome = await outcomeOf(
    server,
    [
      'messages: 3',
      '',
      'ok fetch 1:2 (uid flags)',
      '* 1 fetch (uid $one flags ())',
      '* 2 fetch (uid $one)',
      '! 2 fetch (uid 2)',
      'no noop',
      'status $mailbox (messages)',
      '* status $mailbox (messages 3)',
      'ok [closed]',
      'ok fetch 1 flags',
      '* 1 fetch (flags ($!ordered))',
    ].join('\n'),
  );
  assert.deepEqual(differences(outcome), [
    '5: * 2 fetch (uid $one)',
    '6: ! 2 fetch (uid 2)',
    '7: noop → no',
    '8: status $mailbox (messages) → ok [closed]',
    '12: * 1 fetch (flags ($!ordered))',
  ]);
  assert(outcome.kind === 'failed');
  assert.deepEqual(outcome.differences.at(-1)!.came, ['* 1 FETCH (FLAGS (\\Recent))']);
});

test('what comes beside the expected is told when the script says so', async () => {
  await using server = await openImapServer();
  const body = '\n\nok fetch 1:2 uid\n* 1 fetch (uid 1)\n';
  assert.deepEqual(await outcomeOf(server, `messages: 2${body}`), { kind: 'ok' });
  const strict = await outcomeOf(server, `ignore_extra_untagged: no${body}`);
  const difference = { line: 3, expected: 'no other reply', came: ['* 2 FETCH (UID 2)'] };
  assert.deepEqual(strict, { kind: 'failed', differences: [difference] });
});

test('lists: in order, in any, in pairs, with extra elements or none', async () => {
  await using server = await openImapServer();
  const flags = (list: string): string => `ok fetch 1 (uid flags)\n* 1 fetch (flags (${list}))\n`;
  const inCase = (text: string): string => `\${case:${text}}`;
  const lists: [string, boolean][] = [
    ['\\draft $$Forwarded', true],
    ['$$Forwarded \\draft', true],
    ['\\draft', false],
    ['$!unordered \\draft', true],
    ['$!unordered $!noextra \\draft', false],
    ['$!unordered $!noextra $!ignore=\\recent $!ignore=$Forwarded \\draft', true],
    ['$!unordered $!ban=\\seen \\draft', true],
    ['$!unordered $!ban=\\recent \\draft', false],
    ['$!extra \\draft', true],
    ['$!extra $$Forwarded', false],
    ['$!ordered \\draft $$Forwarded \\recent', true],
    [`\\draft ${inCase('$Forwarded')}`, true],
    [`\\draft ${inCase('$forwarded')}`, false],
    ['$ $', true],
  ];
  const script = `messages: 1\n\nok store 1 flags (\\draft $$Forwarded)\n${lists.map(([list]) => flags(list)).join('')}`;
  const wrong = lists.filter(([, isRight]) => !isRight).map(([list]) => list);
  assert.deepEqual(
    differences(await outcomeOf(server, script)),
    wrong.map((list) => `${5 + 2 * lists.findIndex(([each]) => each === list)}: * 1 fetch (flags (${list}))`),
  );
});

test('a script that cannot go on ends where it stands', async () => {
  await using server = await openImapServer();
  const untold = await outcomeOf(server, 'state: auth\n\nok noop\nok select $nothing\nno noop');
  assert.deepEqual(differences(untold), ['4: select $nothing']);
  const ended = await outcomeOf(server, 'state: nonauth\n\nok logout\n* bye\nok noop\nok noop');
  assert.deepEqual(differences(ended), ['5: noop']);
  const skipped = await outcomeOf(server, 'capabilities: IMAP4rev1 XNONE\n\nno noop');
  assert.deepEqual(skipped, { kind: 'skipped', missing: ['XNONE'] });
});

test('messages of an mbox keep what is theirs, and begin again', () => {
  const source = messages();
  const first = source.next();
  assert.deepEqual(first, {
    content: 'Subject: one\r\n\r\nHello\r\nFrom here\r\n\r\n',
    internalDate: '"22-Feb-2008 17:06:23 +0200"',
  });
  assert.deepEqual(source.next(), { content: 'Subject: two\r\n\r\n', internalDate: undefined });
  assert.deepEqual(source.next(), first);
});

test('scripts that cannot be read', () => {
  for (const [script, problem] of [
    ['what is this', / line 1: not a header/],
    ['state: drunk\n', /unknown state/],
    ['connections: 0\n', /connections: 1 to/],
    ['\n* 1 exists', / line 2: a reply without its command/],
    ['\nok', / line 2: a tagged reply without its command/],
    ['\nnoop\n* 1 exists', / line 2: no tagged reply/],
    ['\na noop\nb noop\na ok\na ok\nb ok', / line 5: neither/],
    ['connections: 2\n\nok noop', / line 3: the number of the connection/],
    ['connections: 2\n\n1 noop\n2 ok', / line 4: another connection/],
    ['\nok append {{{\nabc', / line 2: \{\{\{ without/],
    ['\n!endif', / line 2: !endif without/],
  ] as const)
    assert.throws(() => parseScript(script), problem, script);
});
