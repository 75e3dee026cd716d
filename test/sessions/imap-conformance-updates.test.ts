// Conformance: what a second session is told and when, conditional stores, changes since, event filters.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asksDovecot,
  type ConformanceServer,
  fetched,
  found,
  openConformanceServer,
  told,
} from './conformance-server.ts';
import { type Answer, type ImapClient, mail } from './imap-client.ts';

async function twoSessions(
  messages: number,
): Promise<{ server: ConformanceServer; a: ImapClient; b: ImapClient }> {
  const server = await openConformanceServer();
  const a = await server.alice();
  for (let number = 1; number <= messages; number++) await a.append('INBOX', mail(`m${number}`)).ok();
  await a.send('SELECT INBOX (CONDSTORE)').ok();
  const b = await server.alice('INBOX');
  return { server, a, b };
}

/** Removes the first message of the mailbox. */
async function expungeFirst(a: ImapClient): Promise<void> {
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
}

const expunges = (answer: Answer): string[] => told(answer, 'EXPUNGE');

test('EXPUNGE is told at every allowed moment, and not during FETCH, STORE and SEARCH by number', async () => {
  const { server, a, b } = await twoSessions(9);
  await using _ = server;
  for (const command of [
    'NOOP',
    'CHECK',
    'UID FETCH 1:* UID',
    'UID SEARCH ALL',
    'UID STORE 9 +FLAGS (\\Seen)',
  ]) {
    await expungeFirst(a);
    assert.deepEqual(expunges(await b.send(command).ok()), ['* 1 EXPUNGE'], command);
  }
  // Four are left; b knows them. From here it is not told until a command allows it.
  await expungeFirst(a);
  for (const command of [
    'FETCH 2 FLAGS',
    'STORE 2 +FLAGS (\\Flagged)',
    'SEARCH 2',
    'SORT (ARRIVAL) UTF-8 2',
    'FETCH 4 UID',
  ])
    assert.deepEqual(expunges(await b.send(command).ok()), [], command);
  // Numbers are those that b knows.
  assert.deepEqual(fetched(await b.send('FETCH 2 UID').ok()), { 2: { UID: '7' } });
  assert.equal(found(await b.send('SEARCH UID 7').ok()), '2');
  assert.deepEqual(expunges(await b.send('NOOP').ok()), ['* 1 EXPUNGE']);
  assert.deepEqual(fetched(await b.send('FETCH 1 UID').ok()), { 1: { UID: '7' } });
  const last = await b.send('EXPUNGE').ok();
  assert.deepEqual(expunges(last), []);
});

test('a command on a message that has gone', async () => {
  const { server, a, b } = await twoSessions(4);
  await using _ = server;
  await expungeFirst(a);
  // Nothing was copied; that is no success, and the message is still number 1 to the client (RFC 9051 6.4.7, RFC 5530).
  const copied = await b.send('COPY 1 INBOX').no('EXPUNGEISSUED');
  assert.deepEqual(told(copied, 'EXISTS'), []);
  await b.send('NOOP').ok();
  await expungeFirst(a);
  if (!asksDovecot) await b.send('MOVE 1 INBOX').no('EXPUNGEISSUED');
  await b.send('NOOP').ok();
  // By UID it is no error.
  await b.send('UID COPY 1:2 INBOX').ok();
  await b.send('UID MOVE 1:2 INBOX').ok();
  assert.deepEqual(fetched(await b.send('UID FETCH 1:2 UID').ok()), {});
  assert.equal(found(await b.send('UID SEARCH ALL').ok()), '3 4');
});

test('STORE UNCHANGEDSINCE: what has changed is told and left (RFC 7162 3.1.3)', async () => {
  const { server, a, b } = await twoSessions(3);
  await using _ = server;
  const modSeqOf = async (number: number): Promise<number> => {
    const told = fetched(await a.send(`FETCH ${number} MODSEQ`).ok())[number]!.MODSEQ!;
    return Number(told.slice(1, -1));
  };
  const before = await modSeqOf(1);
  await b.send('STORE 2 +FLAGS (\\Flagged)').ok();
  await a.send('NOOP').ok();
  const conflict = await a
    .send(`STORE 1:3 (UNCHANGEDSINCE ${await modSeqOf(3)}) +FLAGS (\\Seen)`)
    .ok(/^MODIFIED 2$/);
  assert.deepEqual(
    Object.keys(fetched(conflict)).filter((number) => number !== '2'),
    ['1', '3'],
  );
  const flags = fetched(await a.send('FETCH 1:3 FLAGS').ok());
  assert.match(flags[1]!.FLAGS!, /Seen/);
  assert.doesNotMatch(flags[2]!.FLAGS!, /Seen/);
  assert.ok((await modSeqOf(1)) > before);
  // The same by UID, and silently: the new MODSEQ is told all the same.
  await a.send(`UID STORE 1:3 (UNCHANGEDSINCE ${before}) FLAGS.SILENT ()`).ok(/^MODIFIED 1:3$/);
  const silent = fetched(
    await a.send(`STORE 1 (UNCHANGEDSINCE ${await modSeqOf(1)}) +FLAGS.SILENT (\\Draft)`).ok(),
  );
  assert.match(silent[1]!.MODSEQ!, /^\(\d+\)$/);
  // 0 is below every message's (3.1.3).
  await a.send('STORE 1:* (UNCHANGEDSINCE 0) +FLAGS (\\Answered)').ok(/^MODIFIED 1:3$/);
  assert.doesNotMatch(fetched(await a.send('FETCH 1 FLAGS').ok())[1]!.FLAGS!, /Answered/);
  for (const wrong of ['(UNCHANGEDSINCE -1)', '(UNCHANGEDSINCE)', '(FOO 1)', '(UNCHANGEDSINCE 1'])
    await a.send(`STORE 1 ${wrong} FLAGS ()`).bad();
});

test('FETCH CHANGEDSINCE and VANISHED (RFC 7162 3.1.4.1, 3.2.6)', async () => {
  const { server, a, b } = await twoSessions(4);
  await using _ = server;
  const highest = (await a.send('STATUS INBOX (HIGHESTMODSEQ)').ok()).untagged
    .join()
    .match(/HIGHESTMODSEQ (\d+)/)![1]!;
  assert.deepEqual(fetched(await a.send(`FETCH 1:* (FLAGS) (CHANGEDSINCE ${highest})`).ok()), {});
  await b.send('UID STORE 3 +FLAGS (\\Seen)').ok();
  await b.send('UID STORE 2 +FLAGS (\\Deleted)').ok();
  await b.send('UID EXPUNGE 2').ok();
  await a.send('NOOP').ok();
  const changed = fetched(await a.send(`FETCH 1:* (UID) (CHANGEDSINCE ${highest})`).ok());
  assert.deepEqual(Object.keys(changed), ['2']);
  assert.deepEqual(Object.keys(changed[2]!).sort(), ['MODSEQ', 'UID']);
  await a.send(`UID FETCH 1:* (FLAGS) (VANISHED)`).bad();
  await a.send('ENABLE QRESYNC').ok();
  const vanished = await a.send(`UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${highest} VANISHED)`).ok();
  assert.deepEqual(told(vanished, 'VANISHED'), ['* VANISHED (EARLIER) 2']);
  assert.deepEqual(Object.keys(fetched(vanished)), ['2']);
  await a.send(`FETCH 1:* (FLAGS) (CHANGEDSINCE ${highest} VANISHED)`).bad();
  await b.send('UID STORE 1 +FLAGS (\\Deleted)').ok();
  await b.send('UID EXPUNGE 1').ok();
  const noop = await a.send('NOOP').ok();
  assert.deepEqual([told(noop, 'VANISHED'), expunges(noop)], [['* VANISHED 1'], []]);
});

test('NOTIFY: only the events of the filter, only of its mailboxes (RFC 5465)', async () => {
  await using server = await openConformanceServer();
  const a = await server.alice();
  for (const name of ['Watched', 'Watched/below', 'Other']) await a.send(`CREATE ${name}`).ok();
  const b = await server.alice();
  await b.append('INBOX', mail('before')).ok();
  await a.send('NOTIFY SET (MAILBOXES Watched (MessageNew MessageExpunge))').ok();
  await b.append('Other', mail('unheard')).ok();
  await b.append('Watched/below', mail('unheard')).ok();
  await b.append('INBOX', mail('unheard')).ok();
  await b.append('Watched', mail('heard')).ok();
  assert.match((await a.line())!, /^\* STATUS "?Watched"? \(.*MESSAGES 1/);
  await b.send('SELECT Watched').ok();
  // Flags were not asked for.
  await b.send('STORE 1 +FLAGS (\\Seen)').ok();
  assert.deepEqual(told(await a.send('NOOP').ok(), 'STATUS'), []);
  await b.send('STORE 1 +FLAGS (\\Deleted)').ok();
  await b.send('EXPUNGE').ok();
  assert.match((await a.line())!, /^\* STATUS "?Watched"? \(.*MESSAGES 0/);
  await a.send('NOTIFY NONE').ok();
  await b.append('Watched', mail('unheard')).ok();
  assert.deepEqual(told(await a.send('NOOP').ok(), 'STATUS'), []);
  // Dovecot takes some of these.
  if (!asksDovecot)
    for (const wrong of [
      'SET',
      'SET (FOO (MessageNew MessageExpunge))',
      'SET (SELECTED (MessageNew))',
      'MAYBE',
    ])
      await a.send(`NOTIFY ${wrong}`).bad();
});
