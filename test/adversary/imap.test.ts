// IMAP under attack: every command of the table in every state, right and wrong, also with extensions enabled that change what
// is taken and with compression, with arguments cut short, oversized, not UTF-8, with NULs and out of all ranges, and where
// the server waits for something else: each has one tagged answer, which in a wrong state is never OK, nothing hangs, and
// memory stays bounded.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { commandTable } from '../../src/speakers/imap/command-table.ts';
import type { SessionState } from '../../src/speakers/imap/session.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import type { CommandName } from '../../src/wire/imap/command.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { deliver, residentBytes, unharmed } from './attacked-server.ts';

/** Each command in all its forms, with all it may have. A new command does not compile until it is attacked here. */
const examples: Readonly<Record<CommandName, string | readonly string[]>> = {
  CAPABILITY: 'CAPABILITY',
  NOOP: 'NOOP',
  LOGOUT: 'LOGOUT',
  ID: 'ID ("name" "sodr" "version" NIL)',
  STARTTLS: 'STARTTLS',
  AUTHENTICATE: [
    'AUTHENTICATE PLAIN AGEAYg==',
    'AUTHENTICATE SCRAM-SHA-256 biwsbj1hLHI9Yg==',
    'AUTHENTICATE EXTERNAL =',
  ],
  LOGIN: ['LOGIN nobody@example.test "wrong"', 'LOGIN {3+}\r\nabc {3+}\r\nabc'],
  COMPRESS: 'COMPRESS DEFLATE',
  UNAUTHENTICATE: 'UNAUTHENTICATE',
  ENABLE: 'ENABLE X-NOTHING X-MORE',
  SELECT: 'SELECT Drafts (QRESYNC (1 2 1:3 (1,2 1,2)))',
  EXAMINE: 'EXAMINE Drafts (CONDSTORE)',
  CREATE: 'CREATE new/box (USE (\\Flagged))',
  DELETE: 'DELETE new/box/that',
  RENAME: 'RENAME new/box new/other',
  SUBSCRIBE: 'SUBSCRIBE new/box',
  UNSUBSCRIBE: 'UNSUBSCRIBE new/box',
  LIST: 'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("%" Sent/*) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))',
  NOTIFY:
    'NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge)) (subtree Lists (MailboxName))',
  SETACL: 'SETACL "Other Users/nobody@example.test/INBOX" "-group=staff" +lrd',
  DELETEACL: 'DELETEACL INBOX nobody@example.test',
  GETACL: 'GETACL INBOX',
  LISTRIGHTS: 'LISTRIGHTS INBOX anyone',
  MYRIGHTS: 'MYRIGHTS "Shared/team@example.test/INBOX"',
  GETMETADATA: 'GETMETADATA INBOX (MAXSIZE 10 DEPTH 1) (/private/comment)',
  SETMETADATA: 'SETMETADATA INBOX (/private/comment "text" /shared/x NIL)',
  GETQUOTA: 'GETQUOTA "#user"',
  GETQUOTAROOT: 'GETQUOTAROOT INBOX',
  SETQUOTA: 'SETQUOTA "Other Users/nobody@example.test" (STORAGE 512 MESSAGE 1000)',
  LSUB: 'LSUB "" "%"',
  NAMESPACE: 'NAMESPACE',
  STATUS: 'STATUS INBOX (MESSAGES UIDNEXT SIZE)',
  APPEND: [
    'APPEND INBOX (\\Seen) "17-Jul-1996 02:44:25 -0700" {3+}\r\nabc',
    'APPEND INBOX {3+}\r\nabc (\\Draft) UTF8 (~{3+}\r\na\0c)',
    'APPEND INBOX CATENATE (URL "/INBOX;UIDVALIDITY=1/;UID=1/;SECTION=HEADER" TEXT {3+}\r\nabc URL ;UID=1/;PARTIAL=0.5)',
  ],
  REPLACE: [
    'UID REPLACE 1 INBOX (\\Seen) {3+}\r\nabc',
    'REPLACE * INBOX CATENATE (URL "/INBOX;UID=1" TEXT ~{3+}\r\na\0c)',
  ],
  IDLE: 'IDLE',
  CHECK: 'CHECK',
  CLOSE: 'CLOSE',
  UNSELECT: 'UNSELECT',
  EXPUNGE: ['UID EXPUNGE 1:3', 'EXPUNGE'],
  SEARCH: [
    'UID SEARCH RETURN (MIN ALL) CHARSET UTF-8 OR SUBJECT "a" NOT (LARGER 5 SINCE 1-Feb-1994)',
    'SEARCH RETURN (SAVE PARTIAL -1:-5) $ FUZZY TEXT {3+}\r\nabc MODSEQ "/flags/\\\\draft" all 6 HEADER X-A ""',
  ],
  SORT: [
    'SORT RETURN (COUNT) (REVERSE DATE SUBJECT) UTF-8 UNSEEN',
    'UID SORT RETURN (UPDATE CONTEXT PARTIAL 1:5) (DISPLAYFROM) UTF-8 BODY {3+}\r\nabc UID 1:*',
  ],
  THREAD: ['UID THREAD REFERENCES UTF-8 TEXT "a"', 'THREAD ORDEREDSUBJECT US-ASCII OLDER 5'],
  ESEARCH: 'ESEARCH IN (mailboxes "INBOX" subtree "b") RETURN (MIN) UNSEEN',
  CANCELUPDATE: 'CANCELUPDATE "B01" "B02"',
  FETCH: [
    'FETCH 1:2,* (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (DATE "a b")]<0.10> BINARY[1]) (CHANGEDSINCE 5)',
    'UID FETCH 1:*,$ (BINARY.SIZE[1] PREVIEW (LAZY)) (PARTIAL -1:-9 CHANGEDSINCE 5 VANISHED)',
  ],
  STORE: ['UID STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Flagged $Label)', 'STORE $ -FLAGS \\Seen x'],
  COPY: ['COPY 1:* Archive', 'UID COPY $ "Other Users/nobody@example.test/INBOX"'],
  MOVE: ['UID MOVE 9:* Archive', 'MOVE 1:2 {3+}\r\nabc'],
};

const commands = Object.entries(examples).flatMap(([name, forms]) =>
  [forms].flat().map((form) => [name as CommandName, form] as const),
);

const badArguments = [
  '',
  ' ',
  '"',
  '""',
  '"\\',
  '(',
  ')',
  '()',
  '('.repeat(3_000),
  'NIL',
  '*',
  '%',
  '0',
  '-1',
  '1:',
  '4294967296',
  '9'.repeat(400),
  '1,'.repeat(20_000),
  'A'.repeat(60_000),
  `"${'A'.repeat(60_000)}"`,
  '\\',
  '\xff\xfe',
  '"\xff\xfe"',
  '"\xc3"',
  'a\0b',
  '"a\0b"',
  'a\rb',
  '&',
  '"&AAA-&bad"',
  '{3+}\r\n\xff\0\xfe',
  '~{3+}\r\n\xff\0\xfe',
  '{99999999999}',
  '{99999999999999999999+}',
  '{-1}',
  '{1',
];

const login = `b1 LOGIN ${addressOf('bob')} "${passwordOf('bob')}"`;
const select = 'b3 SELECT INBOX';
interface Beginning {
  readonly state: SessionState;
  readonly lines: readonly string[];
  /** One command of so many: deflating takes its time. */
  readonly every?: number;
}
const states: Readonly<Record<string, Beginning>> = {
  notAuthenticated: { state: 'notAuthenticated', lines: [] },
  authenticated: { state: 'authenticated', lines: [login] },
  selected: { state: 'selected', lines: [login, select] },
  'selected, in UTF-8': {
    state: 'selected',
    lines: [login, 'b2 ENABLE IMAP4rev2 UTF8=ACCEPT QRESYNC', select],
  },
  'selected, without message numbers': {
    state: 'selected',
    lines: [login, 'b2 ENABLE UIDONLY CONDSTORE', select],
  },
  'selected, compressed': { state: 'selected', lines: [login, 'b2 COMPRESS DEFLATE', select], every: 5 },
};

/** Of the server, for a few sessions: lines and literals are given back. */
const memoryGrowthMax = 150 * 1024 * 1024;

/** A line for itself and after each of its literals, damaged there. */
function* damaged(example: string): Generator<string> {
  const lines = example.split('\r\n');
  for (const [at, line] of lines.entries()) {
    const before = lines.slice(0, at).map((earlier) => `${earlier}\r\n`);
    const literalLength = Number(/\{(\d+)\+\}$/.exec(lines[at - 1] ?? '')?.[1] ?? 0);
    const after = lines.slice(at + 1).map((later) => `\r\n${later}`);
    for (const rest of damagedLine(line, Math.max(1, literalLength), after.join('')))
      yield before.join('') + rest;
  }
}

/** What is behind it follows as long as its literal is announced. */
function* damagedLine(line: string, lengthMin: number, after: string): Generator<string> {
  for (let length = lengthMin; length < line.length; length++) {
    // What would be a literal that never comes is left to others.
    if (!/\{\d+\+?\}$/.test(line.slice(0, length))) yield line.slice(0, length);
  }
  const words = line.split(' ');
  const first = words[0] === 'UID' ? 2 : 1;
  for (const bad of badArguments) {
    if (first < words.length || after === '') yield `${words.slice(0, first).join(' ')} ${bad}`;
    if (after === '') yield `${line} ${bad}`;
    for (let place = first; place < words.length; place++) {
      const whole = words.with(place, bad).join(' ');
      yield place === words.length - 1 ? whole : whole + after;
    }
  }
}

/** Where the server waits for a line or for octets that are no command. */
const waits: readonly (readonly [string, readonly string[]])[] = [
  ['IDLE', [login, select]],
  ['AUTHENTICATE PLAIN', []],
  ['AUTHENTICATE LOGIN', []],
  ['AUTHENTICATE SCRAM-SHA-256', []],
  ['APPEND INBOX {3}', [login]],
  ['APPEND INBOX CATENATE (TEXT {3}', [login, select]],
  ['SELECT {3}', [login]],
];
/** The longest of them. */
const awaitedBytes = 3;

describe('IMAP under attack', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', 'bob'],
      settings: ['authentication.failures_per_address=1000000'],
    });
    await deliver(server, 'bob', 'Subject: one\r\n\r\nText.\r\n');
  });
  after(() => unharmed(server));

  const begun = async (lines: readonly string[]): Promise<TestClient> => {
    const client = await TestClient.connect(server.ports.imap);
    await client.line();
    for (const line of lines) {
      client.send(line);
      let answer = await client.line();
      while (answer !== undefined && !answer.startsWith(line.slice(0, 3))) answer = await client.line();
      assert.match(answer ?? '', /^b\d OK /, 'the session did not begin');
      if (line.includes('COMPRESS')) client.startDeflate();
    }
    return client;
  };

  /** The tagged answer; undefined when the session ended, which it may with a BYE. */
  const ask = (client: TestClient, tag: string, command: string): Promise<string | undefined> => {
    client.write(`${tag} ${command}\r\n`);
    return answered(client, tag, command);
  };

  const answered = async (client: TestClient, tag: string, command: string): Promise<string | undefined> => {
    let isEnding = false;
    for (;;) {
      const line = await client.line();
      if (line === undefined) {
        assert(isEnding, `no BYE after ${JSON.stringify(command.slice(0, 200))}`);
        return undefined;
      }
      if (line.startsWith(`${tag} `)) return line.slice(tag.length + 1);
      if (line.startsWith('* BYE')) isEnding = true;
      // Whatever it waits for: no SASL response, no DONE.
      if (line.startsWith('+')) client.send('*');
      // A line whose tag was not understood is answered without one.
      if (line.startsWith('* BAD')) return line.slice(2);
    }
  };

  for (const [what, { state, lines, every = 1 }] of Object.entries(states)) {
    test(`every command with every damage has one answer: ${what}`, async () => {
      const memoryBefore = residentBytes(server);
      let client = await begun(lines);
      let count = 0;
      for (const [name, example] of commands) {
        const isWrong = !commandTable[name].states.includes(state);
        for (const command of isWrong ? [...damaged(example), example] : damaged(example)) {
          if (++count % every > 0) continue;
          const tag = `x${count}`;
          const answer = await ask(client, tag, command);
          const told = `${what} ${JSON.stringify(command).slice(0, 120)} → ${answer}`;
          if (answer !== undefined) assert.match(answer, /^(OK|NO|BAD) /, told);
          if (isWrong && command.toUpperCase().startsWith(example.split(' ', 1)[0]!))
            assert.doesNotMatch(answer ?? 'BAD', /^OK/, told);
          assert.doesNotMatch(answer ?? '', /SERVERBUG/, told);
          const alive = answer === undefined ? undefined : await ask(client, `n${count}`, 'NOOP');
          if (alive === undefined || !isIn(state, answer!, name)) {
            client.destroy();
            client = await begun(lines);
          } else assert.match(alive, /^OK/, told);
        }
      }
      client.destroy();
      const grown = residentBytes(server) - memoryBefore;
      assert(grown < memoryGrowthMax, `${grown} bytes more`);
    });
  }

  for (const [wait, lines] of waits)
    test(`every command and all rubbish has one answer where it is not expected: ${wait}`, async () => {
      let client = await begun(lines);
      const texts = [...commands.map(([, example]) => `x ${example}`), ...badArguments];
      for (const [count, text] of texts.entries()) {
        const tag = `w${count}`;
        client.send(`${tag} ${wait}`);
        let line = await client.line();
        while (line?.startsWith('* ')) line = await client.line();
        assert.match(line ?? '', /^\+/, `${wait}, before ${text.slice(0, 120)}`);
        client.send(text.padEnd(awaitedBytes));
        const answer = await answered(client, tag, text);
        const told = `${wait} ${JSON.stringify(text).slice(0, 120)} → ${answer}`;
        if (answer !== undefined) assert.match(answer, /^(?:OK|NO|BAD) /, told);
        if (!wait.startsWith('APPEND')) assert.doesNotMatch(answer ?? 'BAD', /^OK/, told);
        // What of it is taken for commands has answers of its own, and the session goes on.
        client.send(`n${count} NOOP`);
        let after = await client.line();
        while (after !== undefined && !after.startsWith(`n${count} `)) {
          assert(!after.startsWith(`${tag} `), `two answers: ${told}, ${after}`);
          after = await client.line();
        }
        if (answer === undefined || after === undefined) {
          client.destroy();
          client = await begun(lines);
        }
      }
      client.destroy();
    });
});

/** False: what worked after all may have changed the state. */
function isIn(state: SessionState, answer: string, name: CommandName): boolean {
  const changing = ['SELECT', 'EXAMINE', 'CLOSE', 'UNSELECT', 'AUTHENTICATE', 'LOGIN', 'DELETE'];
  if (state === 'selected' && (name === 'SELECT' || name === 'EXAMINE')) return false;
  return !(answer.startsWith('OK') && changing.includes(name));
}
