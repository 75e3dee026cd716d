// A framed command to a typed one: the tag, the name, and the table of argument parsers by name.
// Invariant: whatever the octets, it returns a Command or throws ImapSyntaxError (with the tag, once that is
// known).

import { ArgumentCursor, type ParseOptions } from './argument-cursor.ts';
import { atomCharacter, tagCharacter } from './character-class.ts';
import type { Command } from './command.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { AppendCommand, ReplaceCommand } from './message-command.ts';
import { getRightsParser, identifierParser, parseSetAcl } from './parse-acl.ts';
import { parseAppend, parseReplace } from './parse-append.ts';
import { parseFetch } from './parse-fetch.ts';
import { parseList, parseLsub } from './parse-list.ts';
import {
  mailboxParser,
  parseCreate,
  parseGetQuota,
  parseGetQuotaRoot,
  parseRename,
  parseSetQuota,
  parseStatus,
  selectParser,
} from './parse-mailbox-arguments.ts';
import { parseGetMetadata, parseSetMetadata } from './parse-metadata.ts';
import { parseCancelUpdate, parseMultisearch } from './parse-multisearch.ts';
import { parseNotify } from './parse-notify.ts';
import { parseSearch } from './parse-search.ts';
import {
  parseAuthenticate,
  parseCompress,
  parseEnable,
  parseId,
  parseLogin,
  plainParser,
} from './parse-session-arguments.ts';
import { parseSort, parseThread } from './parse-sort.ts';
import { copyParser, parseExpunge, parseStore } from './parse-store.ts';
import type { RawCommand } from './raw-command.ts';

/** Repeated in every answer; clients use a handful of characters. */
const tagBytesMax = 255;

type ArgumentParser = (cursor: ArgumentCursor, tag: string, uid: boolean) => Command;

const parsers: ReadonlyMap<string, ArgumentParser> = new Map<string, ArgumentParser>([
  ['CAPABILITY', plainParser('CAPABILITY')],
  ['NOOP', plainParser('NOOP')],
  ['LOGOUT', plainParser('LOGOUT')],
  ['STARTTLS', plainParser('STARTTLS')],
  ['CHECK', plainParser('CHECK')],
  ['CLOSE', plainParser('CLOSE')],
  ['UNSELECT', plainParser('UNSELECT')],
  ['UNAUTHENTICATE', plainParser('UNAUTHENTICATE')],
  ['IDLE', plainParser('IDLE')],
  ['NAMESPACE', plainParser('NAMESPACE')],
  ['LOGIN', parseLogin],
  ['AUTHENTICATE', parseAuthenticate],
  ['COMPRESS', parseCompress],
  ['ID', parseId],
  ['ENABLE', parseEnable],
  ['SELECT', selectParser('SELECT')],
  ['EXAMINE', selectParser('EXAMINE')],
  ['CREATE', parseCreate],
  ['DELETE', mailboxParser('DELETE')],
  ['RENAME', parseRename],
  ['SUBSCRIBE', mailboxParser('SUBSCRIBE')],
  ['UNSUBSCRIBE', mailboxParser('UNSUBSCRIBE')],
  ['STATUS', parseStatus],
  ['GETQUOTA', parseGetQuota],
  ['GETQUOTAROOT', parseGetQuotaRoot],
  ['SETQUOTA', parseSetQuota],
  ['SETACL', parseSetAcl],
  ['DELETEACL', identifierParser('DELETEACL')],
  ['GETACL', getRightsParser('GETACL')],
  ['LISTRIGHTS', identifierParser('LISTRIGHTS')],
  ['MYRIGHTS', getRightsParser('MYRIGHTS')],
  ['NOTIFY', parseNotify],
  ['GETMETADATA', parseGetMetadata],
  ['SETMETADATA', parseSetMetadata],
  ['LIST', parseList],
  ['LSUB', parseLsub],
  ['APPEND', parseAppend],
  ['REPLACE', parseReplace],
  ['EXPUNGE', parseExpunge],
  ['SEARCH', parseSearch],
  ['SORT', parseSort],
  ['THREAD', parseThread],
  ['ESEARCH', parseMultisearch],
  ['CANCELUPDATE', parseCancelUpdate],
  ['FETCH', parseFetch],
  ['STORE', parseStore],
  ['COPY', copyParser('COPY')],
  ['MOVE', copyParser('MOVE')],
]);

/** Those that may follow `UID`. */
const uidCommands: ReadonlySet<string> = new Set([
  'COPY',
  'MOVE',
  'FETCH',
  'STORE',
  'SEARCH',
  'SORT',
  'THREAD',
  'EXPUNGE',
  'REPLACE',
]);

/** Throws only ImapSyntaxError. */
export function parseCommand(raw: RawCommand, options: ParseOptions): Command {
  const cursor = new ArgumentCursor(raw, options);
  const tag = takeTag(cursor);
  try {
    cursor.expect(' ');
    let name = cursor.run(atomCharacter).toUpperCase();
    const uid = name === 'UID' && cursor.take(' ');
    if (uid) name = cursor.run(atomCharacter).toUpperCase();
    const parse = parsers.get(name);
    if (parse === undefined || (uid && !uidCommands.has(name))) throw new ImapSyntaxError('unknown command');
    const command = parse(cursor, tag, uid);
    cursor.end();
    return command;
  } catch (error) {
    if (error instanceof ImapSyntaxError) error.tag = tag;
    throw error;
  }
}

/**
 * An APPEND or REPLACE up to and with the `{n}` of a message that is still to come: for refusing it before it is sent. The last
 * message's size is right, its chunks are empty. Throws only ImapSyntaxError.
 */
export function parseAppendHead(raw: RawCommand, options: ParseOptions): AppendCommand | ReplaceCommand {
  const command = parseCommand(raw, { ...options, head: true });
  if (command.name === 'APPEND' || command.name === 'REPLACE') return command;
  throw new ImapSyntaxError('APPEND expected', { tag: command.tag });
}

/** The tag of a command's text when it has one, for answers to commands that cannot be parsed. */
export function tagOf(text: string): string | undefined {
  try {
    return takeTag(new ArgumentCursor({ text, literals: [] }, { utf8: false }));
  } catch {
    return undefined;
  }
}

function takeTag(cursor: ArgumentCursor): string {
  const tag = cursor.run(tagCharacter);
  if (tag === '') cursor.fail('tag');
  if (tag.length > tagBytesMax) throw new ImapSyntaxError('tag is too long');
  return tag;
}
