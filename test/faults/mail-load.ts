// A load of deliveries (LMTP) and changes (IMAP) that keeps a ledger of what the server acknowledged, and a checker that
// reads everything back. Every message carries its number in its subject, so each can be found again.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { storeMessage } from '../account-content.ts';
import { addressOf, passwordOf, type ServerProcess } from '../server-process.ts';
import { LineSession, ServerGone } from './line-session.ts';

export interface Acknowledged {
  readonly number: number;
  readonly user: string;
  /** SHA-256 of the body behind the header the server adds to. */
  readonly digest: string;
  /** Of APPEND (APPENDUID). */
  readonly uid: number | undefined;
}

export interface Ledger {
  readonly messages: Acknowledged[];
  /** `user uid` of messages whose \Flagged was acknowledged. */
  readonly flagged: Set<string>;
  /** Numbers whose expunge was acknowledged. */
  readonly expunged: Set<number>;
  /** Numbers that were sent but not answered: they may be there, once, or not. */
  readonly unanswered: Set<number>;
  /** Per user: the highest UIDNEXT and HIGHESTMODSEQ ever told. */
  readonly told: Map<string, { uidNext: number; modSeq: number }>;
  /** User names of accounts whose removal was acknowledged. */
  readonly removed: Set<string>;
  next: number;
}

export function newLedger(): Ledger {
  return {
    messages: [],
    flagged: new Set(),
    expunged: new Set(),
    unanswered: new Set(),
    told: new Map(),
    removed: new Set(),
    next: 1,
  };
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex');

function makeMessage(number: number, random: Random): { text: string; digest: string } {
  // One in eight is large enough to be a file.
  const length = random.integer(8) === 0 ? 100_000 + random.integer(200_000) : 200 + random.integer(4000);
  const body = `${random
    .bytes(Math.ceil(length / 2))
    .toString('hex')
    .replaceAll(/(.{76})/g, '$1\r\n')}\r\n`;
  return { text: `From: a@example.org\r\nSubject: number ${number}\r\n\r\n${body}`, digest: sha256(body) };
}

/** Delivers until the server is gone. */
export async function deliverUntilGone(
  server: ServerProcess,
  ledger: Ledger,
  users: readonly string[],
  random: Random,
): Promise<void> {
  await untilGone(async () => {
    const session = await LineSession.open(server.ports.lmtp);
    await session.reply();
    await session.reply('LHLO load.example');
    for (;;) {
      const user = users[random.integer(users.length)]!;
      const number = ledger.next++;
      const { text, digest } = makeMessage(number, random);
      assert.match(await session.reply('MAIL FROM:<a@example.org>'), /^250/);
      assert.match(await session.reply(`RCPT TO:<${addressOf(user)}>`), /^250/);
      assert.match(await session.reply('DATA'), /^354/);
      ledger.unanswered.add(number);
      const answer = await session.reply(`${text}.`);
      assert.match(answer, /^250/);
      ledger.unanswered.delete(number);
      ledger.messages.push({ number, user, digest, uid: undefined });
    }
  });
}

/** Appends, flags and expunges in one account until the server is gone. */
export async function changeUntilGone(
  server: ServerProcess,
  ledger: Ledger,
  user: string,
  random: Random,
): Promise<void> {
  await untilGone(async () => {
    const session = await openImap(server, user);
    await session.command('s SELECT INBOX', 's OK');
    for (;;) {
      const number = ledger.next++;
      const { text, digest } = makeMessage(number, random);
      session.write(`a APPEND INBOX {${text.length}}\r\n`);
      await session.until('+');
      ledger.unanswered.add(number);
      session.write(text);
      const answer = await session.command('', 'a OK');
      ledger.unanswered.delete(number);
      const uid = Number(/APPENDUID \d+ (\d+)/.exec(answer)?.[1]);
      assert.ok(uid > 0, answer);
      ledger.messages.push({ number, user, digest, uid });
      await session.command(`f UID STORE ${uid} +FLAGS.SILENT (\\Flagged)`, 'f OK');
      ledger.flagged.add(`${user} ${uid}`);
      if (random.integer(3) !== 0) continue;
      await session.command(`d UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`, 'd OK');
      ledger.unanswered.add(number);
      await session.command(`e UID EXPUNGE ${uid}`, 'e OK');
      ledger.unanswered.delete(number);
      ledger.expunged.add(number);
    }
  });
}

/** Imports, as the command line does, into one account until the server is gone. */
export async function importUntilGone(
  server: ServerProcess,
  ledger: Ledger,
  user: string,
  random: Random,
): Promise<void> {
  await untilEnded(server, async () => {
    const number = ledger.next++;
    const { text, digest } = makeMessage(number, random);
    ledger.unanswered.add(number);
    const message = { bytes: text, flags: ['\\Seen'], date: 1_700_000_000 + number };
    const uid = await storeMessage(server.admin, user, message);
    ledger.unanswered.delete(number);
    ledger.messages.push({ number, user, digest, uid });
  });
}

/** Accounts come, get mail and go until the server is gone. */
export async function passAccountsUntilGone(
  server: ServerProcess,
  ledger: Ledger,
  random: Random,
): Promise<void> {
  await untilEnded(server, async () => {
    const user = `passing${ledger.next++}`;
    const path = `/api/accounts/${encodeURIComponent(addressOf(user))}`;
    await server.admin.call({ method: 'POST', path: '/api/accounts', body: { address: addressOf(user) } });
    await storeMessage(server.admin, user, { bytes: makeMessage(0, random).text });
    await server.admin.call({ method: 'DELETE', path });
    ledger.removed.add(user);
  });
}

/** Again and again; what fails is a failure unless the server is gone. */
async function untilEnded(server: ServerProcess, work: () => Promise<void>): Promise<void> {
  try {
    for (;;) await work();
  } catch (error) {
    const isGone = server.exited.then(() => true);
    if (!(await Promise.race([isGone, systemClock.sleep(5000).then(() => false)]))) throw error;
  }
}

async function untilGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ServerGone)) throw error;
  }
}

async function openImap(server: ServerProcess, user: string): Promise<LineSession> {
  const session = await LineSession.open(server.ports.imap);
  await session.line();
  await session.command(`l LOGIN ${addressOf(user)} "${passwordOf(user)}"`, 'l OK');
  return session;
}

interface Found {
  readonly uid: number;
  readonly modSeq: number;
  readonly flags: string;
  readonly text: string;
}

/** Everything in a user's INBOX; checks that UIDs and mod-sequences are unique and never below what was told before. */
async function readAll(server: ServerProcess, ledger: Ledger, user: string): Promise<Found[]> {
  const session = await openImap(server, user);
  session.write('s SELECT INBOX (CONDSTORE)\r\n');
  const selected = (await session.until('s OK')).join('\n');
  const uidNext = Number(/UIDNEXT (\d+)/.exec(selected)?.[1]);
  const modSeq = Number(/HIGHESTMODSEQ (\d+)/.exec(selected)?.[1]);
  const before = ledger.told.get(user) ?? { uidNext: 0, modSeq: 0 };
  assert.ok(uidNext >= before.uidNext, `UIDNEXT of ${user} went back from ${before.uidNext} to ${uidNext}`);
  assert.ok(modSeq >= before.modSeq, `HIGHESTMODSEQ of ${user} went back from ${before.modSeq} to ${modSeq}`);
  ledger.told.set(user, { uidNext, modSeq });
  const found: Found[] = [];
  session.write('f UID FETCH 1:* (FLAGS MODSEQ BODY.PEEK[])\r\n');
  for (;;) {
    const line = await session.line();
    if (line.startsWith('f OK')) break;
    const size = Number(/\{(\d+)\}$/.exec(line)?.[1]);
    if (!line.startsWith('* ') || Number.isNaN(size)) continue;
    const text = (await session.bytes(size)).toString('latin1');
    const rest = line + (await session.line());
    const uid = Number(/UID (\d+)/.exec(rest)?.[1]);
    assert.ok(uid > 0 && uid < uidNext, `UID ${uid} is not below UIDNEXT ${uidNext}`);
    found.push({
      uid,
      modSeq: Number(/MODSEQ \((\d+)\)/.exec(rest)?.[1]),
      flags: /FLAGS \(([^)]*)\)/.exec(rest)?.[1] ?? '',
      text,
    });
  }
  session.end();
  assert.equal(new Set(found.map((one) => one.uid)).size, found.length, 'a UID is used twice');
  return found;
}

/** 0 lost, 0 doubled, byte for byte, flags kept, expunged ones gone, UIDs as they were told. */
export async function checkLedger(
  server: ServerProcess,
  ledger: Ledger,
  users: readonly string[],
): Promise<void> {
  const accounts = await Array.fromAsync(server.admin.items<{ address: string }>('/api/accounts'));
  for (const { address } of accounts) {
    assert.ok(!ledger.removed.has(address.split('@')[0]!), `${address} was removed and is there again`);
  }
  const uidsSeen = new Map<string, number>();
  for (const user of users) {
    const found = await readAll(server, ledger, user);
    const byNumber = new Map<number, Found>();
    for (const one of found) {
      const number = Number(/^Subject: number (\d+)/m.exec(one.text)?.[1]);
      assert.ok(!byNumber.has(number), `message ${number} is there twice`);
      byNumber.set(number, one);
      uidsSeen.set(`${user} ${one.uid}`, number);
    }
    for (const message of ledger.messages.filter((one) => one.user === user))
      checkMessage(ledger, message, byNumber);
  }
  for (const message of ledger.messages) {
    if (message.uid === undefined) continue;
    const holder = uidsSeen.get(`${message.user} ${message.uid}`);
    assert.ok(
      holder === undefined || holder === message.number,
      `UID ${message.uid} of ${message.user} was given again`,
    );
  }
}

function checkMessage(ledger: Ledger, message: Acknowledged, byNumber: ReadonlyMap<number, Found>): void {
  const found = byNumber.get(message.number);
  if (ledger.expunged.has(message.number)) {
    assert.equal(found, undefined, `message ${message.number} was expunged and is there again`);
    return;
  }
  // Its expunge may or may not have come through.
  if (found === undefined && ledger.unanswered.has(message.number)) return;
  assert.ok(found !== undefined, `message ${message.number} was acknowledged and is lost`);
  const body = found.text.slice(found.text.indexOf('\r\n\r\n') + 4);
  assert.equal(sha256(body), message.digest, `message ${message.number} is not what was sent`);
  if (message.uid === undefined) return;
  assert.equal(found.uid, message.uid, `message ${message.number} has another UID than was told`);
  if (ledger.flagged.has(`${message.user} ${message.uid}`)) assert.match(found.flags, /\\Flagged/);
}
