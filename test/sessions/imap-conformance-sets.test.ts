// Conformance: sequence sets in odd forms, the saved result, pipelined commands, commands in the wrong state.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asksDovecot,
  type ConformanceServer,
  fetched,
  found,
  openConformanceServer,
  or,
  told,
} from './conformance-server.ts';
import { type ImapClient, mail } from './imap-client.ts';

async function filled(messages: number): Promise<{ server: ConformanceServer; a: ImapClient }> {
  const server = await openConformanceServer();
  const a = await server.alice();
  for (let number = 1; number <= messages; number++) await a.append('INBOX', mail(`m${number}`)).ok();
  await a.send('SELECT INBOX').ok();
  return { server, a };
}

const numbersOf = async (a: ImapClient, command: string): Promise<string> =>
  Object.keys(fetched(await a.send(command).ok())).join(' ');

test('sets: ranges in either direction, twice, and beyond the end', async () => {
  const { server, a } = await filled(6);
  await using _ = server;
  for (const [set, numbers] of [
    ['*:1', '1 2 3 4 5 6'],
    ['1:*', '1 2 3 4 5 6'],
    ['4,2:4', '2 3 4'],
    ['6,4:2,3', '2 3 4 6'],
    ['1,1,1', '1'],
    ['1:3,2:5', '1 2 3 4 5'],
    ['*', '6'],
    ['*:*', '6'],
    ['*,1', '1 6'],
    ['5:*', '5 6'],
  ] as const) {
    assert.equal(await numbersOf(a, `UID FETCH ${set} UID`), numbers, `UID ${set}`);
    assert.equal(await numbersOf(a, `FETCH ${set} UID`), numbers, set);
  }
  for (const set of [
    '0',
    '0:3',
    '1:',
    ':1',
    ',1',
    '1,,2',
    '1:2:3',
    '-1',
    '+1',
    '*1',
    '1;2',
    '1:4294967296',
    '',
  ]) {
    await a.send(`FETCH ${set} UID`).bad();
    await a.send(`UID FETCH ${set} UID`).bad();
    await a.send(`SEARCH ${set},`).bad();
    // Servers send away who sends nothing but nonsense.
    await a.send('NOOP').ok();
  }
  // `*` is the last message, so that the range is 6:9; of numbers, 9 is not there.
  for (const set of ['9:*', '*:9']) {
    assert.equal(await numbersOf(a, `UID FETCH ${set} UID`), '6');
    await a.send(`FETCH ${set} UID`).bad();
  }
  // Dovecot takes a comma at the end.
  if (!asksDovecot) await a.send('FETCH 1, UID').bad();
  // No such message is an error by its number and none by its UID (RFC 9051 6.4.9).
  await a.send('FETCH 9 UID').bad();
  await a.send('STORE 7 +FLAGS (\\Seen)').bad();
  await a.send('COPY 6:7 INBOX').bad();
  for (const command of [
    'UID FETCH 9 UID',
    'UID STORE 9 +FLAGS (\\Seen)',
    'UID COPY 7:9 INBOX',
    'UID MOVE 9 INBOX',
  ])
    assert.deepEqual(told(await a.send(command).ok(), 'FETCH', 'EXISTS', 'EXPUNGE'), []);
});

test('sets as search keys', async () => {
  const { server, a } = await filled(6);
  await using _ = server;
  for (const [keys, numbers] of [
    ['4,2:4', '2 3 4'],
    ['*', '6'],
    ['9', ''],
    ['UID 9:*', '6'],
    ['UID 9', ''],
    ['NOT 1:3', '4 5 6'],
    ['OR 1 UID 6', '1 6'],
    ['1:4 3:6', '3 4'],
    // A range with `*` has the last message in it; Dovecot holds that for UIDs only.
    ['9:*', or('6', '')],
  ] as const)
    assert.equal(found(await a.send(`SEARCH ${keys}`).ok()), numbers, keys);
});

test('sets in an empty mailbox', async () => {
  const { server, a } = await filled(0);
  await using _ = server;
  for (const set of ['1', '1:*', '*', '*:1']) {
    await a.send(`FETCH ${set} UID`).bad();
    await a.send(`STORE ${set} +FLAGS (\\Seen)`).bad();
    await a.send(`COPY ${set} INBOX`).bad();
    assert.equal(await numbersOf(a, `UID FETCH ${set} UID`), '');
    await a.send(`UID COPY ${set} INBOX`).ok();
    await a.send(`UID STORE ${set} +FLAGS (\\Seen)`).ok();
    assert.equal(found(await a.send(`SEARCH ${set}`).ok()), '');
    assert.equal(found(await a.send(`UID SEARCH UID ${set}`).ok()), '');
    assert.equal(found(await a.send(`SORT (SUBJECT) UTF-8 ${set}`).ok(), 'SORT'), '');
    // Debian's Dovecot ends the session here.
    if (!asksDovecot) assert.equal(found(await a.send(`THREAD REFERENCES UTF-8 ${set}`).ok(), 'THREAD'), '');
  }
});

test('$ is what was saved last (RFC 5182)', async () => {
  const { server, a } = await filled(6);
  await using _ = server;
  const saved = (): Promise<string> => numbersOf(a, 'FETCH $ UID');
  assert.equal(await saved(), '');
  await a.send('SEARCH RETURN (SAVE) 2:3').ok();
  assert.equal(await saved(), '2 3');
  await a.send('FETCH $,5 UID').bad();
  assert.equal(found(await a.send('SEARCH OR $ 5').ok()), '2 3 5');
  assert.equal(found(await a.send('SEARCH NOT $').ok()), '1 4 5 6');
  assert.equal(found(await a.send('UID SEARCH UID $').ok()), '2 3');
  await a.send('SEARCH RETURN (SAVE MIN MAX) 2:5').ok();
  assert.equal(await saved(), '2 5');
  await a.send('SEARCH RETURN (SAVE COUNT MIN) 2:5').ok();
  assert.equal(await saved(), '2 3 4 5');
  // BAD leaves it, and so does a search that was not to be saved.
  await a.send('SEARCH RETURN (SAVE) NONSENSE').bad();
  await a.send('SEARCH CHARSET X-NONE ALL').no(/^BADCHARSET/);
  await a.send('SEARCH 1').ok();
  assert.equal(await saved(), '2 3 4 5');
  // What is expunged is not in it any more, and the numbers of the others follow.
  await a.send('STORE 2:3 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  assert.deepEqual(fetched(await a.send('FETCH $ UID').ok()), { 2: { UID: '4' }, 3: { UID: '5' } });
  // NO to a search that was to be saved empties it (2.1).
  await a.send('SEARCH RETURN (SAVE) CHARSET X-NONE ALL').no(/^BADCHARSET/);
  assert.equal(await saved(), '');
  if (!asksDovecot) {
    await a.send('SEARCH RETURN (SAVE) 1').ok();
    await a.send('SORT RETURN (SAVE) (DATE) X-NONE ALL').no(/^BADCHARSET/);
    assert.equal(await saved(), '');
  }
  for (const command of ['STORE $ +FLAGS (\\Seen)', 'COPY $ INBOX', 'MOVE $ INBOX', 'UID EXPUNGE $'])
    assert.deepEqual(told(await a.send(command).ok(), 'FETCH', 'EXISTS', 'EXPUNGE'), [], command);
  await a.send('SEARCH RETURN (SAVE) 1').ok();
  await a.send('SELECT INBOX').ok();
  assert.equal(await saved(), '');
});

test('pipelined commands are answered in their order', async () => {
  const { server, a } = await filled(3);
  await using _ = server;
  const commands = [
    'STORE 1 +FLAGS (\\Seen)',
    'FETCH 1 FLAGS',
    'SEARCH SEEN',
    'STORE 1 -FLAGS (\\Seen)',
    'NONSENSE',
    'SEARCH SEEN',
    'UID STORE 2 +FLAGS.SILENT (\\Deleted)',
    'EXPUNGE',
    'UID FETCH 1:* UID',
    // No mailbox is selected after a SELECT that failed (RFC 9051 6.3.2).
    'SELECT NoSuchMailbox',
    'FETCH 1 UID',
    'SELECT INBOX',
    'SEARCH ALL',
  ];
  const tags = commands.map((_command, index) => `p${index}`);
  a.socket.write(commands.map((command, index) => `${tags[index]} ${command}\r\n`).join(''));
  const answers = tags.map((tag, index) => a.expect(tag, commands[index]));
  const ends = ['ok', 'ok', 'ok', 'ok', 'bad', 'ok', 'ok', 'ok', 'ok', 'no', 'bad', 'ok', 'ok'] as const;
  const all = await Promise.all(answers.map((answer, index) => answer[ends[index]!]()));
  // Dovecot runs some at the same time, and tells the results of one before the end of another.
  if (asksDovecot) return;
  assert.match(fetched(all[1]!)[1]!.FLAGS!, /\\Seen/);
  assert.equal(found(all[2]!), '1');
  assert.equal(found(all[5]!), '');
  assert.deepEqual(told(all[7]!, 'EXPUNGE'), ['* 2 EXPUNGE']);
  assert.deepEqual(Object.keys(fetched(all[8]!)), ['1', '2']);
  assert.equal(found(all[12]!), '1 2');
});

test('commands in the wrong state', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice();
  for (const command of [
    'FETCH 1 UID',
    'STORE 1 +FLAGS (\\Seen)',
    'SEARCH ALL',
    'EXPUNGE',
    'CLOSE',
    'UNSELECT',
    'COPY 1 INBOX',
  ])
    await a.send(command).bad();
  for (const command of [
    'LOGIN alice x',
    'AUTHENTICATE PLAIN',
    'NONSENSE',
    'SELECT',
    'UID',
    'UID NOOP',
    'STATUS INBOX',
    'APPEND',
  ])
    await a.send(command).bad();
  await a.append('INBOX', mail('one')).ok();
  await a.send('EXAMINE INBOX').ok();
  // Dovecot says OK and does nothing.
  if (!asksDovecot) {
    await a.send('STORE 1 +FLAGS (\\Seen)').no();
    await a.send('EXPUNGE').no();
    await a.send('MOVE 1 INBOX').no();
  }
  await a.send('FETCH 1 BODY[TEXT]').ok();
  assert.doesNotMatch(fetched(await a.send('FETCH 1 FLAGS').ok())[1]!.FLAGS!, /Seen/);
  await a.send('CLOSE').ok();
  await a.send('CLOSE').bad();
});
