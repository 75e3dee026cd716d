// SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 section 3). What is no right is no argument: BAD (3.1).

import { type AclChangeMode, parseRights } from '../../mail/rights.ts';
import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { GetRightsCommand, IdentifierCommand, SetAclCommand } from './mailbox-command.ts';

const modes: Readonly<Record<string, AclChangeMode>> = { '+': 'add', '-': 'remove' };

/** SP mailbox SP identifier SP mod-rights. */
export function parseSetAcl(cursor: ArgumentCursor, tag: string): SetAclCommand {
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  cursor.expect(' ');
  const identifier = takeIdentifier(cursor);
  cursor.expect(' ');
  const text = cursor.astring('rights');
  const mode = modes[text.charAt(0)] ?? 'replace';
  const rights = parseRights(mode === 'replace' ? text : text.slice(1));
  if (rights === undefined) throw new ImapSyntaxError('unknown right');
  return { tag, name: 'SETACL', mailbox, identifier, mode, rights };
}

/** SP mailbox SP identifier. */
export function identifierParser(
  name: IdentifierCommand['name'],
): (cursor: ArgumentCursor, tag: string) => IdentifierCommand {
  return (cursor, tag) => {
    cursor.expect(' ');
    const mailbox = cursor.mailbox();
    cursor.expect(' ');
    return { tag, name, mailbox, identifier: takeIdentifier(cursor) };
  };
}

/** SP mailbox. */
export function getRightsParser(
  name: GetRightsCommand['name'],
): (cursor: ArgumentCursor, tag: string) => GetRightsCommand {
  return (cursor, tag) => {
    cursor.expect(' ');
    return { tag, name, mailbox: cursor.mailbox() };
  };
}

/** Its form is the account's to say (SASLprep, RFC 4314 section 3); LISTRIGHTS repeats it as it came (3.4). */
function takeIdentifier(cursor: ArgumentCursor): string {
  const identifier = cursor.astring('identifier');
  if (identifier === '' || identifier === '-' || /\p{Cc}/u.test(identifier))
    throw new ImapSyntaxError('identifier expected');
  return identifier;
}
