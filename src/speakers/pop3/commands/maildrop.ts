// STAT, LIST, UIDL, DELE, RSET and NOOP (RFC 1939 sections 5 and 7): answered from the maildrop's columns in memory.

import { assert } from '../../../base/assert.ts';
import { parseMessageNumber } from '../../../wire/pop3/parse-command.ts';
import type { Maildrop } from '../maildrop.ts';
import type { Pop3Session } from '../pop3-session.ts';

/** The dispatcher runs these in TRANSACTION only. */
export function maildropOf(session: Pop3Session): Maildrop {
  assert(session.maildrop !== undefined, 'no maildrop in TRANSACTION');
  return session.maildrop;
}

/** The number of a message that is there and not marked; undefined after -ERR. */
export function messageNumber(session: Pop3Session, argument: string): number | undefined {
  const number = parseMessageNumber(argument);
  if (number !== undefined && maildropOf(session).has(number)) return number;
  session.err(number === undefined ? 'not a message number' : 'no such message');
  return undefined;
}

export function stat(session: Pop3Session): undefined {
  const { remaining, remainingBytes } = maildropOf(session);
  session.ok(`${remaining} ${remainingBytes}`);
}

export function list(session: Pop3Session, argument: string): undefined {
  listing(session, argument, (maildrop, number) => maildrop.size(number).toString());
}

export function uidl(session: Pop3Session, argument: string): undefined {
  listing(session, argument, (maildrop, number) => maildrop.uniqueId(number));
}

/** One message's line, or a line for each of them. */
function listing(
  session: Pop3Session,
  argument: string,
  valueFor: (maildrop: Maildrop, number: number) => string,
): void {
  const maildrop = maildropOf(session);
  if (argument.trim() !== '') {
    const number = messageNumber(session, argument);
    if (number !== undefined) session.ok(`${number} ${valueFor(maildrop, number)}`);
    return;
  }
  const lines = [`+OK ${maildrop.remaining} messages`];
  for (let number = 1; number <= maildrop.length; number++) {
    if (maildrop.has(number)) lines.push(`${number} ${valueFor(maildrop, number)}`);
  }
  lines.push('.', '');
  session.connection.write(lines.join('\r\n'));
}

export function dele(session: Pop3Session, argument: string): undefined {
  const number = messageNumber(session, argument);
  if (number === undefined) return;
  maildropOf(session).delete(number);
  session.ok(`message ${number} marked`);
}

export function rset(session: Pop3Session): undefined {
  const maildrop = maildropOf(session);
  maildrop.reset();
  session.ok(`${maildrop.remaining} messages (${maildrop.remainingBytes} octets)`);
}

export function noop(session: Pop3Session): undefined {
  session.ok('nothing done');
}
