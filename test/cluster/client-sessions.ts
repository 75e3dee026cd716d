// What the cluster tests' clients say to a node: raw sessions, so that a test decides what is on the way when something
// breaks. Nothing here connects a second time: a session that ends is a failed test.

import assert from 'node:assert/strict';
import { LineSession, ServerGone } from '../faults/line-session.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import type { NodeProcess } from './node-process.ts';

/** Where clients connect: a node, or what stands in front of the nodes. */
export type Entrance = Pick<NodeProcess, 'name' | 'host' | 'port'>;

/** A message as a session sees it. */
export interface Seen {
  readonly uid: number;
  /** Sorted, without \Recent. */
  readonly flags: string;
}

/** Rejects with ServerGone when it is told to come again. */
export async function openImap(node: Entrance, user: string): Promise<LineSession> {
  const session = await LineSession.open(node.port('imap'), node.host);
  await session.line();
  const answer = await session.command(`l LOGIN ${addressOf(user)} "${passwordOf(user)}"`, 'l ');
  if (answer.startsWith('l NO [UNAVAILABLE]')) {
    session.end();
    throw new ServerGone(answer);
  }
  assert.match(answer, /^l OK/);
  return session;
}

/** Logged in, with INBOX selected. */
export async function openInbox(node: Entrance, user: string): Promise<LineSession> {
  const session = await openImap(node, user);
  await session.command('s SELECT INBOX', 's OK');
  return session;
}

export async function openLmtp(node: Entrance): Promise<LineSession> {
  const session = await LineSession.open(node.port('lmtp'), node.host);
  await session.reply();
  assert.match(await session.reply('LHLO load.example'), /^250/);
  return session;
}

export async function openSmtp(node: Entrance, listener: 'mx' | 'submission' = 'mx'): Promise<LineSession> {
  const session = await LineSession.open(node.port(listener), node.host);
  await session.reply();
  await session.reply('EHLO load.example');
  return session;
}

/** Up to DATA's 354. */
export async function beginDelivery(
  session: LineSession,
  users: readonly string[],
  from = 'a@example.org',
): Promise<void> {
  assert.match(await session.reply(`MAIL FROM:<${from}>`), /^250/);
  for (const user of users) assert.match(await session.reply(`RCPT TO:<${addressOf(user)}>`), /^250/);
  assert.match(await session.reply('DATA'), /^354/);
}

/** By LMTP, through a session of its own. */
export async function deliver(node: Entrance, user: string, messages: readonly string[]): Promise<void> {
  const session = await openLmtp(node);
  for (const message of messages) {
    await beginDelivery(session, [user]);
    assert.match(await session.reply(`${message}.`), /^250/);
  }
  session.end();
}

export function makeMail(subject: string, bodyBytes = 200, from = 'a@example.org'): string {
  const line = `${'0123456789'.repeat(7)}\r\n`;
  const body = line.repeat(Math.max(1, Math.round(bodyBytes / line.length)));
  return `From: ${from}\r\nSubject: ${subject}\r\n\r\n${body}`;
}

/** Where a session is under test: `near`; `far` is neither that nor the host of the account. */
export interface Place {
  readonly near: Entrance;
  readonly far: Entrance;
  readonly user: string;
  /** Another one at the same host. */
  readonly neighbour: string;
}

/** So many copies of one message are the last ones of INBOX; resolves with the first's number. */
export async function fill(
  { far, user }: Pick<Place, 'far' | 'user'>,
  count: number,
  bytes?: number,
): Promise<number> {
  await deliver(far, user, [makeMail('one of many', bytes)]);
  const session = await openInbox(far, user);
  const first = (await fetchSeen(session)).length;
  for (let last = 1; last < count; last = Math.min(2 * last, count)) {
    const more = Math.min(last, count - last);
    await session.command(`c COPY ${first}:${first + more - 1} INBOX`, 'c OK');
  }
  session.end();
  return first;
}

/** What a session says of its mailbox, by sequence number. `session` has it selected. */
export async function fetchSeen(session: LineSession): Promise<Seen[]> {
  session.write('v UID FETCH 1:* (UID FLAGS)\r\n');
  const seen: Seen[] = [];
  for (const line of await session.until('v ')) {
    const match = /^\* (\d+) FETCH \((.*)\)$/.exec(line);
    if (match !== null) seen[Number(match[1]) - 1] = parseSeen(match[2]!);
    else if (line.startsWith('v ')) assert.match(line, /^v OK/);
  }
  return seen;
}

export function parseSeen(items: string): Seen {
  const uid = Number(/\bUID (\d+)/.exec(items)?.[1]);
  const flags = /FLAGS \(([^)]*)\)/.exec(items)?.[1] ?? '';
  return { uid, flags: sortedFlags(flags.split(' ')) };
}

/** As `Seen` has them. */
export function sortedFlags(flags: Iterable<string>): string {
  return [...flags]
    .filter((flag) => flag !== '' && flag !== '\\Recent')
    .sort()
    .join(' ');
}

/** What a new session sees. */
export async function freshSeen(node: Entrance, user: string): Promise<Seen[]> {
  const session = await openInbox(node, user);
  const seen = await fetchSeen(session);
  session.end();
  return seen;
}

/** The subjects in a user's INBOX, in the order of UIDs. */
export async function subjectsOf(node: Entrance, user: string): Promise<string[]> {
  const session = await openInbox(node, user);
  session.write('u UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n');
  const lines = await session.until('u OK');
  session.end();
  return lines.flatMap((line) => /^Subject: (.*)$/.exec(line)?.[1] ?? []);
}
