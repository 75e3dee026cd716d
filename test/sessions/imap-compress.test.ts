// COMPRESS=DEFLATE (RFC 4978).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { type ImapClient, mail } from './imap-client.ts';
import { type ImapServer, openImapServer } from './imap-server.ts';

async function compressed(server: ImapServer, mailbox?: string): Promise<ImapClient> {
  const client = await server.alice(mailbox);
  await client.send('COMPRESS DEFLATE').ok();
  client.socket.startDeflate();
  return client;
}

test('COMPRESS is offered after the login, once, for DEFLATE only', async () => {
  await using server = await openImapServer();
  const stranger = await server.connect();
  assert.doesNotMatch(stranger.greeting, /COMPRESS/);
  await stranger.send('COMPRESS DEFLATE').bad();
  const a = await server.alice();
  assert.match((await a.send('CAPABILITY').ok()).untagged[0]!, / COMPRESS=DEFLATE /);
  await a.send('COMPRESS LZ77').bad();
  await a.send('COMPRESS').bad();
  await a.send('COMPRESS DEFLATE x').bad();
  await a.send('compress deflate').ok();
  a.socket.startDeflate();
  await a.send('COMPRESS DEFLATE').no('COMPRESSIONACTIVE');
  assert.deepEqual((await a.send('NOOP').ok()).untagged, []);
  const goodbye = await a.send('LOGOUT').ok();
  assert.match(goodbye.untagged[0]!, /^\* BYE /);
  assert.equal(await a.line(), undefined);
});

test('commands, literals, large messages and pipelines go through', async () => {
  await using server = await openImapServer();
  const a = await compressed(server);
  let body = '';
  for (let line = 0; line < 40_000; line++)
    body += `${line} ${(line * 7919) % 1013} some words of line ${line}\r\n`;
  const message = mail('large', body);
  await a.append('INBOX', message).ok();
  await a.append('INBOX', mail('small')).ok();
  await a.send('SELECT INBOX').ok();
  const answers = [a.send('FETCH 1 BODY.PEEK[]'), a.send('FETCH 2 UID'), a.send('FETCH 1:2 BODY.PEEK[]')];
  const [first, second, third] = await Promise.all(answers.map((sent) => sent.ok()));
  assert.deepEqual(first!.untagged, [`* 1 FETCH (BODY[] {${message.length}}\r\n${message})`]);
  assert.deepEqual(second!.untagged, ['* 2 FETCH (UID 2)']);
  assert.equal(third!.untagged.length, 2);
});

test('each response is flushed, and IDLE pushes', async () => {
  await using server = await openImapServer();
  const a = await compressed(server, 'INBOX');
  const b = await server.alice();
  const done = await a.idle();
  await b.append('INBOX', mail('one')).ok();
  assert.equal(await a.line(), '* 1 EXISTS');
  assert.equal(await a.line(), '* 1 RECENT');
  await b.append('INBOX', mail('two')).ok();
  assert.equal(await a.line(), '* 2 EXISTS');
  assert.equal(await a.line(), '* 2 RECENT');
  await done().ok();
  await a.send('FETCH 1:2 UID').tells('* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)');
});

test('a client that reads slowly gets everything', async () => {
  await using server = await openImapServer();
  const a = await compressed(server);
  // Not compressible: the socket fills.
  let state = 1;
  const noise = Buffer.alloc(6 * 1024 * 1024);
  for (let at = 0; at < noise.length; at++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    noise[at] = 33 + ((state >>> 16) % 90);
  }
  const message = mail('noise', noise.toString('latin1').replace(/.{70}/g, '$&\r\n'));
  await a.append('INBOX', message).ok();
  await a.send('SELECT INBOX').ok();
  a.socket.socket.pause();
  const answer = a.send('FETCH 1 BODY.PEEK[]').ok();
  await new Promise((resolve) => setImmediate(resolve));
  a.socket.socket.resume();
  assert.equal((await answer).untagged[0], `* 1 FETCH (BODY[] {${message.length}}\r\n${message})`);
});

test('what does not inflate ends the connection; what inflates without end meets the limit of a line', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('COMPRESS DEFLATE').ok();
  a.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]));
  assert.equal(await a.socket.rest(), '');
  const b = await server.alice();
  await b.send('COMPRESS DEFLATE').ok();
  const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 0x41), { finishFlush: constants.Z_SYNC_FLUSH });
  const raw = b.socket.socket;
  b.socket.startDeflate();
  raw.write(bomb);
  assert.match((await b.line())!, /^\* BYE Command line is too long/);
  assert.equal(await b.line(), undefined);
  const c = await server.alice();
  await c.send('NOOP').ok();
});
