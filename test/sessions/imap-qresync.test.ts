// QRESYNC (RFC 7162 3.2), after the RFC's examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type ImapClient, mail } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

const codeNumber = (answer: Answer, name: string): number =>
  Number(new RegExp(`${name} (\\d+)`).exec(answer.untagged.join('\n'))![1]);
const earlier = (answer: Answer): readonly string[] =>
  answer.untagged.filter((line) => line.startsWith('* VANISHED'));
const fetched = (answer: Answer): readonly string[] =>
  answer.untagged.filter((line) => line.includes(' FETCH '));

interface Known {
  readonly uidValidity: number;
  readonly modSeq: number;
}

/** Six messages in INBOX, UIDs 1 to 6; what a client knows of them that then went away. */
async function sixMessages(
  tombstonesMax?: number,
): Promise<{ server: ImapServer; a: ImapClient; known: Known }> {
  const server = await openImapServer({}, {}, tombstonesMax === undefined ? {} : { tombstonesMax });
  const a = await server.alice();
  for (const name of ['one', 'two', 'three', 'four', 'five', 'six']) await a.append('INBOX', mail(name)).ok();
  const opened = await a.send('SELECT INBOX').ok();
  const known = {
    uidValidity: codeNumber(opened, 'UIDVALIDITY'),
    modSeq: codeNumber(opened, 'HIGHESTMODSEQ'),
  };
  return { server, a, known };
}

async function expunge(client: ImapClient, uids: string): Promise<void> {
  await client.send(`UID STORE ${uids} +FLAGS.SILENT (\\Deleted)`).ok();
  await client.send(`UID EXPUNGE ${uids}`).ok();
}

async function resyncing(server: ImapServer): Promise<ImapClient> {
  const client = await server.alice();
  await client.send('ENABLE QRESYNC').tells('* ENABLED QRESYNC');
  return client;
}

test('QRESYNC is advertised after the login, and asked for before it is used', async () => {
  const { server, a } = await sixMessages();
  await using _ = server;
  assert.match((await a.send('CAPABILITY').ok()).untagged[0]!, / QRESYNC /);
  await a.send('SELECT INBOX (QRESYNC (1 1))').bad();
  await a.send('UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)').bad();
  // The mailbox stays selected: nothing was tried (RFC 7162 3.2.5).
  await a.send('FETCH 1 UID').ok();
  const enabled = await a.send('ENABLE QRESYNC CONDSTORE').ok();
  assert.match(enabled.untagged[0]!, /^\* OK \[HIGHESTMODSEQ \d+\] /);
  assert.deepEqual(enabled.untagged.slice(1), ['* ENABLED QRESYNC CONDSTORE']);
  await a.send('FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)').bad();
  await a.send('UID FETCH 1:* FLAGS (VANISHED)').bad();
  await a.send('SELECT INBOX (QRESYNC (0 1))').bad();
  await a.send('SELECT INBOX (QRESYNC (1 1 1:*))').bad();
  await a.send('SELECT INBOX (QRESYNC (1))').bad();
});

test('SELECT tells what vanished and what changed since, of what the client knows', async () => {
  const { server, a, known } = await sixMessages();
  await using _ = server;
  await expunge(a, '2:3');
  await a.send('UID STORE 5 +FLAGS (\\Seen)').ok();
  const sender = await server.alice();
  await sender.append('INBOX', mail('seven')).ok();
  const q = await resyncing(server);
  const { uidValidity, modSeq } = known;
  const all = await q.send(`SELECT INBOX (QRESYNC (${uidValidity} ${modSeq}))`).ok('READ-WRITE');
  assert.deepEqual(earlier(all), ['* VANISHED (EARLIER) 2:3']);
  assert.deepEqual(fetched(all), [
    `* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (${modSeq + 3}))`,
    `* 5 FETCH (UID 7 FLAGS (\\Recent) MODSEQ (${modSeq + 4}))`,
  ]);
  const order = all.untagged.map((line) => line.split(' ')[1] === 'VANISHED');
  assert(order.indexOf(true) > all.untagged.findIndex((line) => line.includes('HIGHESTMODSEQ')));
  const some = await q.send(`EXAMINE INBOX (QRESYNC (${uidValidity} ${modSeq} 1,3:4))`).ok('READ-ONLY');
  assert.deepEqual(earlier(some), ['* VANISHED (EARLIER) 3']);
  assert.deepEqual(fetched(some), []);
  assert.equal(some.untagged[0], '* OK [CLOSED] Previous mailbox is closed');
  const other = await q.send(`SELECT INBOX (QRESYNC (${uidValidity + 1} ${modSeq}))`).ok('READ-WRITE');
  assert.deepEqual([...earlier(other), ...fetched(other)], []);
  const now = codeNumber(all, 'HIGHESTMODSEQ');
  const none = await q.send(`SELECT INBOX (QRESYNC (${uidValidity} ${now}))`).ok('READ-WRITE');
  assert.deepEqual([...earlier(none), ...fetched(none)], []);
  // From a client that has seen the future, as after a restored backup.
  const future = await q.send(`SELECT INBOX (QRESYNC (${uidValidity} 9223372036854775807))`).ok('READ-WRITE');
  assert.deepEqual([...earlier(future), ...fetched(future)], []);
});

test('with older tombstones gone, all UIDs that are not there are told, above the client’s matches', async () => {
  const { server, a, known } = await sixMessages(1);
  await using _ = server;
  await expunge(a, '2');
  await expunge(a, '4');
  await expunge(a, '6');
  await a.append('INBOX', mail('seven')).ok();
  const q = await resyncing(server);
  const { uidValidity, modSeq } = known;
  const asked = async (more: string): Promise<readonly string[]> =>
    earlier(await q.send(`SELECT INBOX (QRESYNC (${uidValidity} ${modSeq}${more}))`).ok('READ-WRITE'));
  assert.deepEqual(await asked(''), ['* VANISHED (EARLIER) 2,4,6']);
  assert.deepEqual(await asked(' 3:4'), ['* VANISHED (EARLIER) 4']);
  // RFC 7162 3.2.5.2: the second message is UID 3 here too, the third is not UID 4.
  assert.deepEqual(await asked(' (1,2,3 1,3,4)'), ['* VANISHED (EARLIER) 4,6']);
  assert.deepEqual(await asked(' 1:5 (1:3 1,3,5)'), []);
  assert.deepEqual(await asked(' (1 2)'), ['* VANISHED (EARLIER) 2,4,6']);
  // Sets of different sizes, and sizes beyond all reason.
  assert.deepEqual(await asked(' (1:4294967295 1)'), ['* VANISHED (EARLIER) 2,4,6']);
  assert.deepEqual(await asked(' (1:4294967295 1:4294967295)'), ['* VANISHED (EARLIER) 2,4,6']);
  assert.deepEqual(await asked(' (3,2 5,3)'), ['* VANISHED (EARLIER) 6']);
});

test('UID FETCH (VANISHED) tells what is gone of its set, before the rest', async () => {
  const { server, a, known } = await sixMessages();
  await using _ = server;
  const q = await resyncing(server);
  await q.send('SELECT INBOX').ok();
  await expunge(a, '2,4');
  await a.send('UID STORE 5 +FLAGS (\\Seen)').ok();
  const { modSeq } = known;
  // What was in this session's view goes without EARLIER (3.2.10.2), before anything else.
  const first = await q.send(`UID FETCH 1:5 FLAGS (CHANGEDSINCE ${modSeq} VANISHED)`).ok();
  assert.deepEqual(first.untagged, [
    '* VANISHED 2,4',
    `* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (${modSeq + 3}))`,
    '* VANISHED (EARLIER) 2,4',
    `* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (${modSeq + 3}))`,
  ]);
  await q.send(`UID FETCH 1:3 FLAGS (CHANGEDSINCE ${modSeq} VANISHED)`).tells('* VANISHED (EARLIER) 2');
  await q.send(`UID FETCH 9:* FLAGS (CHANGEDSINCE ${modSeq + 3} VANISHED)`).tells();
});

test('VANISHED stands for EXPUNGE: the session’s own, those of others, MOVE, and while idling', async () => {
  const { server, a } = await sixMessages();
  await using _ = server;
  const q = await resyncing(server);
  const before = codeNumber(await q.send('SELECT INBOX').ok(), 'HIGHESTMODSEQ');
  await q.send('UID STORE 1,3 +FLAGS.SILENT (\\Deleted)').ok();
  const own = await q.send('EXPUNGE').ok(`HIGHESTMODSEQ ${before + 2}`);
  assert.deepEqual(own.untagged, ['* VANISHED 1,3']);
  const moved = await q.send('UID MOVE 2 Trash').ok(/^HIGHESTMODSEQ \d+$/);
  assert.equal(moved.untagged[1], '* VANISHED 2');
  const done = await q.idle();
  await expunge(a, '5');
  assert.match((await q.line())!, /^\* 2 FETCH \(UID 5 FLAGS \(\\Deleted\) MODSEQ \(\d+\)\)$/);
  assert.equal(await q.line(), '* VANISHED 5');
  await done().ok(/^HIGHESTMODSEQ \d+$/);
  await q.send('UID STORE 4 +FLAGS.SILENT (\\Deleted)').ok();
  // RFC 7162 3.2.8: a CLOSE never tells it.
  assert.equal((await q.send('CLOSE').ok()).code, undefined);
});

test('while expunges are delayed the client is told a lower mod-sequence', async () => {
  const { server, a } = await sixMessages();
  await using _ = server;
  const q = await resyncing(server);
  const before = codeNumber(await q.send('SELECT INBOX').ok(), 'HIGHESTMODSEQ');
  await expunge(a, '2');
  // RFC 7162 section 6: FETCH and STORE with message numbers may not tell of the expunge.
  const stored = await q.send('STORE 1 +FLAGS.SILENT (\\Seen)').ok();
  assert.deepEqual(stored.untagged.slice(0, 1), [`* 1 FETCH (UID 1 MODSEQ (${before + 3}))`]);
  assert.equal(stored.untagged.at(-1), `* OK [HIGHESTMODSEQ ${before}] Synchronised up to here`);
  const fetchedAgain = await q.send('FETCH 1 (MODSEQ)').ok();
  assert.equal(fetchedAgain.untagged.at(-1), `* OK [HIGHESTMODSEQ ${before}] Synchronised up to here`);
  const told = await q.send('NOOP').ok(`HIGHESTMODSEQ ${before + 3}`);
  assert.deepEqual(told.untagged, ['* VANISHED 2']);
});
