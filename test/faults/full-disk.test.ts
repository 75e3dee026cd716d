// A full disk: a small file system of its own under the data directory. Deliveries and appends get temporary failures, reading
// goes on, and when there is room again so does everything, without a restart. Nothing acknowledged is lost.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { makeTemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { LineSession } from './line-session.ts';

const fileSystemMiB = 64;
const reserve = '4 MiB';
const expungedCount = 10;
/** Far more than fits. */
const messagesMax = 2000;
const skip =
  process.getuid?.() === 0 ? false : 'needs root to mount a small tmpfs: run the tests as root to see it';

function textOf(number: number, bytes = 200_000): string {
  return `Subject: number ${number}\r\n\r\n${'x'.repeat(70)}\r\n`
    .padEnd(bytes, `${number} filling\r\n`)
    .concat('\r\n');
}

async function deliver(session: LineSession, text: string): Promise<string> {
  await session.reply('MAIL FROM:<a@example.org>');
  const recipient = await session.reply(`RCPT TO:<${addressOf('alice')}>`);
  if (!recipient.startsWith('250')) return recipient;
  await session.reply('DATA');
  return session.reply(`${text}.`);
}

/** How many messages of a size were taken before one was refused for want of room. */
async function deliverUntilRefused(lmtp: LineSession, first: number, bytes: number): Promise<number> {
  for (let taken = 0; taken < messagesMax; taken++) {
    const answer = await deliver(lmtp, textOf(first + taken, bytes));
    if (answer.startsWith('250')) continue;
    assert.match(answer, /^452 4\.3\.1 /);
    return taken;
  }
  assert.fail('it never became full');
}

async function append(session: LineSession, text: string): Promise<string> {
  session.write(`a APPEND INBOX {${text.length}}\r\n`);
  const first = (await session.until('+', 'a ')).at(-1)!;
  if (!first.startsWith('+')) return first;
  session.write(text);
  return session.command('', 'a ');
}

test('a full disk: 452 and NO, reading goes on, and it recovers by itself', { skip }, async () => {
  const folder = await makeTemporaryFolder();
  const data = folder.at('data');
  mkdirSync(data);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${fileSystemMiB}m`, 'rookery-test', data]);
  try {
    await using server = await ServerProcess.start({
      data,
      accounts: ['alice'],
      settings: [`storage.reserve=${reserve}`],
    });
    await fillAndRecover(server, data);
    server.signal('SIGTERM');
    assert.equal((await server.exited).code, 0);
  } finally {
    // Lazily: when the test failed the server may still hold files in it.
    execFileSync('umount', ['-l', data]);
    await folder.remove();
  }
});

async function fillAndRecover(server: ServerProcess, data: string): Promise<void> {
  const ballast = join(data, 'ballast');
  await writeFile(ballast, Buffer.alloc(20 * 1024 * 1024));
  const lmtp = await LineSession.open(server.ports.lmtp);
  await lmtp.reply();
  await lmtp.reply('LHLO load.example');
  const large = await deliverUntilRefused(lmtp, 1, 200_000);
  assert.ok(large > 20, `only ${large} messages fitted`);
  // To the brim: even a small one is refused.
  const delivered = large + (await deliverUntilRefused(lmtp, large + 1, 100));

  const imap = await LineSession.open(server.ports.imap);
  await imap.line();
  await imap.command(`l LOGIN ${addressOf('alice')} "${passwordOf('alice')}"`, 'l OK');
  assert.match(await append(imap, textOf(9000)), /^a NO \[(OVERQUOTA|UNAVAILABLE)\]/);
  imap.write('s SELECT INBOX\r\n');
  const selected = (await imap.until('s OK')).join('\n');
  assert.match(selected, new RegExp(`^\\* ${delivered} EXISTS$`, 'm'));
  imap.write(`f FETCH ${delivered} RFC822.SIZE\r\n`);
  assert.match((await imap.until('f OK')).join('\n'), /RFC822.SIZE \d{3}/);

  await makeRoom(server, imap, large);

  await rm(ballast);
  assert.match(await deliver(lmtp, textOf(9001)), /^250 /);
  assert.match(await append(imap, textOf(9002)), /^a OK \[APPENDUID /);
  imap.write('t STATUS INBOX (MESSAGES)\r\n');
  assert.match(
    (await imap.until('t OK')).join('\n'),
    new RegExp(`\\(MESSAGES ${delivered + 2 - expungedCount}\\)`),
  );
  lmtp.end();
  imap.end();
}

/** Users make room by what they do on a full disk: their flags and expunges go through, and blobs are collected. */
async function makeRoom(server: ServerProcess, imap: LineSession, large: number): Promise<void> {
  assert.match(await imap.command(`d STORE 1:${expungedCount} +FLAGS.SILENT (\\Deleted)`, 'd '), /^d OK/);
  assert.match(await imap.command('e EXPUNGE', 'e '), /^e OK/);
  const isCollected = async (): Promise<boolean> => {
    const text = await (await fetch(`http://127.0.0.1:${server.ports.admin}/metrics`)).text();
    const blobs = /^rookery_blobs (\d+)$/m.exec(text);
    assert.ok(blobs !== null, 'there is no metric of blobs');
    return Number(blobs[1]) <= large - expungedCount;
  };
  while (!(await isCollected())) await systemClock.sleep(50);
}
