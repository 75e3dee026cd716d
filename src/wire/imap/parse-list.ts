// LIST and LSUB: the basic form, and the extended one of RFC 5258 with SPECIAL-USE (RFC 6154) and STATUS (RFC
// 5819).

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { ListCommand, LsubCommand, StatusItem } from './mailbox-command.ts';
import { parseStatusItems } from './parse-mailbox-arguments.ts';
import { parseEntries } from './parse-metadata.ts';

/** Each pattern may cost one pass over the mailbox list. */
const patternsMax = 100;

export function parseLsub(cursor: ArgumentCursor, tag: string): LsubCommand {
  cursor.expect(' ');
  const reference = cursor.mailbox();
  cursor.expect(' ');
  return { tag, name: 'LSUB', reference, pattern: cursor.listMailbox() };
}

/** LIST [SP "(" options ")"] SP mailbox SP (pattern / "(" patterns ")") [SP RETURN SP "(" options ")"]. */
export function parseList(cursor: ArgumentCursor, tag: string): ListCommand {
  const select = { subscribed: false, remote: false, recursiveMatch: false, specialUse: false };
  const wanted: Returns = {
    subscribed: false,
    children: false,
    specialUse: false,
    myRights: false,
    status: undefined,
    metadata: undefined,
  };
  let extended = false;
  cursor.expect(' ');
  if (cursor.take('(')) {
    extended = true;
    parseSelectOptions(cursor, select);
    cursor.expect(' ');
  }
  const reference = cursor.mailbox();
  cursor.expect(' ');
  const patterns: string[] = [];
  if (cursor.take('(')) {
    extended = true;
    do {
      patterns.push(cursor.listMailbox());
      if (patterns.length > patternsMax) throw new ImapSyntaxError('too many mailbox patterns');
    } while (cursor.take(' '));
    cursor.expect(')');
  } else patterns.push(cursor.listMailbox());
  if (cursor.takeWord('RETURN')) {
    extended = true;
    parseReturnOptions(cursor, wanted);
  }
  // RFC 5258 3.1, RFC 6154 section 2: what selects by an attribute also returns it.
  wanted.subscribed ||= select.subscribed;
  wanted.specialUse ||= select.specialUse;
  return { tag, name: 'LIST', reference, patterns, select, return: wanted, extended };
}

interface Selects {
  subscribed: boolean;
  remote: boolean;
  recursiveMatch: boolean;
  specialUse: boolean;
}

interface Returns {
  subscribed: boolean;
  children: boolean;
  specialUse: boolean;
  myRights: boolean;
  status: readonly StatusItem[] | undefined;
  metadata: readonly string[] | undefined;
}

function parseSelectOptions(cursor: ArgumentCursor, select: Selects): void {
  if (cursor.take(')')) return;
  do {
    const option = cursor.word('LIST selection option');
    if (option === 'SUBSCRIBED') select.subscribed = true;
    else if (option === 'REMOTE') select.remote = true;
    else if (option === 'RECURSIVEMATCH') select.recursiveMatch = true;
    else if (option === 'SPECIAL-USE') select.specialUse = true;
    else throw new ImapSyntaxError('unknown LIST selection option');
  } while (cursor.take(' '));
  cursor.expect(')');
  // RFC 5258 section 6: a mod-opt needs a base-opt to modify.
  if (select.recursiveMatch && !select.subscribed && !select.specialUse)
    throw new ImapSyntaxError('RECURSIVEMATCH needs another selection option');
}

function parseReturnOptions(cursor: ArgumentCursor, wanted: Returns): void {
  cursor.expect(' ');
  cursor.expect('(');
  if (cursor.take(')')) return;
  do {
    const option = cursor.word('LIST return option');
    if (option === 'SUBSCRIBED') wanted.subscribed = true;
    else if (option === 'CHILDREN') wanted.children = true;
    else if (option === 'SPECIAL-USE') wanted.specialUse = true;
    else if (option === 'MYRIGHTS') wanted.myRights = true;
    else if (option === 'STATUS') {
      cursor.expect(' ');
      wanted.status = parseStatusItems(cursor);
    } else if (option === 'METADATA') {
      cursor.expect(' ');
      wanted.metadata = parseEntries(cursor);
    } else throw new ImapSyntaxError('unknown LIST return option');
  } while (cursor.take(' '));
  cursor.expect(')');
}
