// Clients of a frontend under test, each from login to logout.

import assert from 'node:assert/strict';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { LineSession } from '../faults/line-session.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { scramFinal, scramFirst } from '../sessions/scram-client.ts';
import type { Entrance } from './client-sessions.ts';

/** In every message that is sent here. */
export const marker = 'the words of a message that nobody else may read';

export async function send(through: Entrance, by: 'mx' | 'submission', user: string, subject: string) {
  const auth = by === 'submission' ? { user: addressOf(user), pass: passwordOf(user) } : undefined;
  const transport = createTransport({
    host: through.host,
    port: through.port(by),
    tls: { rejectUnauthorized: false },
    ...(auth === undefined ? { ignoreTLS: true } : { auth }),
  });
  const from = auth === undefined ? 'sender@example.org' : addressOf(user);
  await transport.sendMail({ from, to: addressOf(user), subject, text: `${marker}\r\n` });
  transport.close();
}

export async function imapLogin(
  through: Entrance,
  { user, pass, loginMethod }: { user: string; pass: string; loginMethod?: string },
): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: through.host,
    port: through.port('imap'),
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass, ...(loginMethod === undefined ? {} : { loginMethod }) },
    logger: false,
  });
  await client.connect();
  return client;
}

export async function scramLogin(through: Entrance, user: string, password: string): Promise<void> {
  const session = await LineSession.open(through.port('imap'), through.host);
  await session.line();
  const first = scramFirst(addressOf(user));
  session.write(`s AUTHENTICATE SCRAM-SHA-256 ${base64(first.message)}\r\n`);
  const challenge = await session.line();
  const final = scramFinal(first, fromBase64(challenge.slice(2)), password);
  session.write(`${base64(final.message)}\r\n`);
  const answer = await session.line();
  if (!answer.startsWith('+')) {
    session.end();
    throw new Error(answer);
  }
  assert.equal(fromBase64(answer.slice(2)), final.serverFinal);
  assert.match(await session.command('', 's '), /^s OK/);
  assert.match(await session.command('l LIST "" *', 'l '), /^l OK/);
  session.end();
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const fromBase64 = (text: string): string => Buffer.from(text, 'base64').toString();

/** Sorted, of all messages in INBOX. */
export async function subjects(through: Entrance, user: string): Promise<string[]> {
  const client = await imapLogin(through, { user: addressOf(user), pass: passwordOf(user) });
  await client.mailboxOpen('INBOX');
  const found: string[] = [];
  for await (const message of client.fetch('1:*', { envelope: true, source: true })) {
    assert.ok(message.source?.includes(marker));
    found.push(message.envelope?.subject ?? '');
  }
  await client.logout();
  return found.sort();
}

export async function openWith(through: Entrance, user: string, password: string): Promise<void> {
  const client = await imapLogin(through, { user: addressOf(user), pass: password });
  await client.logout();
}

export async function popCount(
  through: Entrance,
  user: string,
  password = passwordOf(user),
): Promise<number> {
  const session = await LineSession.open(through.port('pop3'), through.host);
  await session.line();
  await session.command(`USER ${addressOf(user)}`, '+OK');
  const entered = await session.command(`PASS ${password}`, '+OK', '-ERR');
  assert.match(entered, /^\+OK/);
  const [, count] = (await session.command('STAT', '+OK')).split(' ');
  await session.command('RETR 1', '.');
  await session.command('QUIT', '+OK');
  session.end();
  return Number(count);
}
