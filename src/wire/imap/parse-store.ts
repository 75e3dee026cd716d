// STORE, COPY, MOVE, EXPUNGE and their UID forms (RFC 9051 6.4.6 to 6.4.9, RFC 7162 3.1.3).

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { CopyCommand, ExpungeCommand, StoreCommand } from './message-command.ts';
import { parseFlagList, parseFlags } from './parse-flags.ts';

/**
 * STORE SP sequence-set [SP "(" UNCHANGEDSINCE SP mod-sequence ")"] SP ["+"/"-"] FLAGS [".SILENT"] SP flags.
 */
export function parseStore(cursor: ArgumentCursor, tag: string, uid: boolean): StoreCommand {
  cursor.expect(' ');
  const set = cursor.sequenceSet();
  cursor.expect(' ');
  let unchangedSince: number | undefined;
  if (cursor.take('(')) {
    if (cursor.word('UNCHANGEDSINCE') !== 'UNCHANGEDSINCE')
      throw new ImapSyntaxError('unknown STORE modifier');
    cursor.expect(' ');
    unchangedSince = cursor.modSequence();
    cursor.expect(')');
    cursor.expect(' ');
  }
  const mode = cursor.take('+') ? 'add' : cursor.take('-') ? 'remove' : 'replace';
  const item = cursor.word('FLAGS');
  if (item !== 'FLAGS' && item !== 'FLAGS.SILENT') cursor.fail('FLAGS');
  cursor.expect(' ');
  const flags = cursor.peek() === 0x28 ? parseFlagList(cursor) : parseFlags(cursor);
  return { tag, name: 'STORE', uid, set, mode, silent: item !== 'FLAGS', flags, unchangedSince };
}

export function copyParser(
  name: CopyCommand['name'],
): (cursor: ArgumentCursor, tag: string, uid: boolean) => CopyCommand {
  return (cursor, tag, uid) => {
    cursor.expect(' ');
    const set = cursor.sequenceSet();
    cursor.expect(' ');
    return { tag, name, uid, set, mailbox: cursor.mailbox() };
  };
}

export function parseExpunge(cursor: ArgumentCursor, tag: string, uid: boolean): ExpungeCommand {
  if (!uid) return { tag, name: 'EXPUNGE', uid, set: undefined };
  cursor.expect(' ');
  return { tag, name: 'EXPUNGE', uid, set: cursor.sequenceSet() };
}
