// CONDSTORE (RFC 7162), after the RFC's examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type ImapClient, mail } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

const modSeqs = (answer: Answer): number[] =>
  answer.untagged.flatMap((line) => {
    const match = /MODSEQ \((\d+)\)/.exec(line);
    return match === null ? [] : [Number(match[1])];
  });
const highest = (answer: Answer): number =>
  Number(/HIGHESTMODSEQ (\d+)/.exec(answer.untagged.join('\n'))![1]);

/** Three messages in INBOX, not selected. */
async function threeMessages(): Promise<{ server: ImapServer; a: ImapClient }> {
  const server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('INBOX', mail(name)).ok();
  return { server, a };
}

test('MODSEQ comes with flags only once CONDSTORE is enabled, by each of its ways', async () => {
  for (const enabling of [
    'ENABLE CONDSTORE',
    'SELECT INBOX (CONDSTORE)',
    'STATUS INBOX (HIGHESTMODSEQ)',
    'LIST "" INBOX RETURN (STATUS (HIGHESTMODSEQ))',
    'FETCH 1 MODSEQ',
    'FETCH 1 FLAGS (CHANGEDSINCE 1)',
    'STORE 1 (UNCHANGEDSINCE 999) FLAGS ()',
    'SEARCH MODSEQ 1',
  ]) {
    const { server, a } = await threeMessages();
    await using _ = server;
    const before = highest(await a.send('SELECT INBOX').ok());
    assert.deepEqual(modSeqs(await a.send('STORE 1 +FLAGS (\\Seen)').ok()), []);
    // The first one tells where the client is in its mailbox (3.1), the next none.
    const told = /\* OK \[HIGHESTMODSEQ (\d+)\]/;
    const enabled = await a.send(enabling).ok();
    assert.equal(told.exec(enabled.untagged.join('\n'))?.[1], String(before + 1), enabling);
    assert.doesNotMatch((await a.send('FETCH 1 MODSEQ').ok()).untagged.join('\n'), told);
    assert.equal(modSeqs(await a.send('STORE 1 +FLAGS (\\Flagged)').ok()).length, 1, enabling);
  }
});

test('HIGHESTMODSEQ, MODSEQ and CHANGEDSINCE', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX (CONDSTORE)').ok());
  const first = modSeqs(await a.send('FETCH 1:* MODSEQ').ok());
  assert.deepEqual(first, [before - 2, before - 1, before]);
  await a.send('STORE 2 +FLAGS.SILENT (\\Flagged)').tells(`* 2 FETCH (UID 2 MODSEQ (${before + 1}))`);
  await a
    .send(`FETCH 1:* FLAGS (CHANGEDSINCE ${before})`)
    .tells(`* 2 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ (${before + 1}))`);
  await a
    .send(`UID FETCH 1:* BODY.PEEK[TEXT] (CHANGEDSINCE ${before})`)
    .tells(`* 2 FETCH (UID 2 BODY[TEXT] {7}\r\nHello\r\n MODSEQ (${before + 1}))`);
  await a.send(`FETCH 1:* FLAGS (CHANGEDSINCE ${before + 1})`).tells();
  // A store that changes nothing takes no mod-sequence.
  await a.send('STORE 2 +FLAGS (\\Flagged)').ok();
  await a.send('STATUS INBOX (HIGHESTMODSEQ)').tells(`* STATUS INBOX (HIGHESTMODSEQ ${before + 1})`);
  await a.send('UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)').bad();
  await a.send('SELECT INBOX (QRESYNC (1 1))').bad();
});

test('a part that is read sets \\Seen and tells the new MODSEQ, also where flags are asked for (3.1)', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX (CONDSTORE)').ok());
  await a
    .send('FETCH 1 (FLAGS BODY[TEXT])')
    .tells(`* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {7}\r\nHello\r\n MODSEQ (${before + 1}))`);
  await a
    .send('FETCH 2 BODY[TEXT]')
    .tells(`* 2 FETCH (BODY[TEXT] {7}\r\nHello\r\n FLAGS (\\Seen \\Recent) MODSEQ (${before + 2}))`);
  await a
    .send('FETCH 3 (MODSEQ FLAGS BODY[TEXT])')
    .tells(`* 3 FETCH (MODSEQ (${before + 3}) FLAGS (\\Seen \\Recent) BODY[TEXT] {7}\r\nHello\r\n)`);
  // Nothing is changed any more.
  await a
    .send('FETCH 1 (FLAGS BODY[TEXT]<0.1>)')
    .tells('* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT]<0> {1}\r\nH)');
});

test('UNCHANGEDSINCE leaves alone what changed, and names it', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX').ok());
  const b = await server.alice('INBOX');
  await b.send('STORE 2 +FLAGS (\\Seen)').ok();
  const stored = await a
    .send(`STORE 1:3 (UNCHANGEDSINCE ${before}) +FLAGS.SILENT (\\Deleted)`)
    .ok('MODIFIED 2');
  assert.deepEqual(stored.untagged.slice(0, 3), [
    `* OK [HIGHESTMODSEQ ${before}] Known so far`,
    `* 1 FETCH (UID 1 MODSEQ (${before + 2}))`,
    `* 3 FETCH (UID 3 MODSEQ (${before + 2}))`,
  ]);
  assert.deepEqual(stored.untagged.slice(3), [
    `* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ (${before + 1}))`,
  ]);
  await a.send('UID STORE 2 (UNCHANGEDSINCE 0) FLAGS ($X)').ok('MODIFIED 2');
  await a.send('FETCH 2 FLAGS').tells('* 2 FETCH (FLAGS (\\Seen \\Recent))');
});

test('SEARCH MODSEQ tells the highest of what it found', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX').ok());
  await a.send('STORE 2 +FLAGS (\\Seen)').ok();
  await a
    .send(`SEARCH MODSEQ ${before}`)
    .tells(`* OK [HIGHESTMODSEQ ${before + 1}] Known so far`, `* SEARCH 2 3 (MODSEQ ${before + 1})`);
  await a
    .send(`SEARCH MODSEQ "/flags/\\\\seen" all ${before + 1}`)
    .tells(`* SEARCH 2 (MODSEQ ${before + 1})`);
  await a.send(`SEARCH MODSEQ ${before + 2}`).tells('* SEARCH');
  const answer = await a.send(`SEARCH RETURN (MAX) MODSEQ 1`).ok();
  assert.match(answer.untagged[0]!, new RegExp(`^\\* ESEARCH \\(TAG "t\\d+"\\) MAX 3 MODSEQ ${before}$`));
});

test('EXPUNGE and MOVE tell the new HIGHESTMODSEQ', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX (CONDSTORE)').ok());
  await a.send('STORE 1 +FLAGS (\\Deleted)').ok();
  await a.send('EXPUNGE').ok(`HIGHESTMODSEQ ${before + 2}`);
  await a.send('MOVE 1 Trash').ok(/^HIGHESTMODSEQ \d+$/);
});

test('what others change comes with MODSEQ', async () => {
  const { server, a } = await threeMessages();
  await using _ = server;
  const before = highest(await a.send('SELECT INBOX (CONDSTORE)').ok());
  const b = await server.alice('INBOX');
  await a.idle();
  await b.send('STORE 3 +FLAGS (\\Seen)').ok();
  assert.equal(await a.line(), `* 3 FETCH (UID 3 FLAGS (\\Seen \\Recent) MODSEQ (${before + 1}))`);
});
