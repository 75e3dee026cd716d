// APPEND (RFC 9051 6.3.12), with UTF8 (RFC 6855), literal8 (RFC 3516) and several messages (RFC 3502).

import type { ArgumentCursor } from './argument-cursor.ts';
import type { AppendCommand, AppendMessage } from './command.ts';
import { parseDateTime } from './date-time.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseFlagList } from './parse-flags.ts';

/** APPEND SP mailbox 1*(SP [flag-list SP] [date-time SP] append-data). */
export function parseAppend(cursor: ArgumentCursor, tag: string): AppendCommand {
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  const messages: AppendMessage[] = [];
  cursor.expect(' ');
  do messages.push(parseMessage(cursor));
  while (cursor.take(' '));
  return { tag, name: 'APPEND', mailbox, messages };
}

function parseMessage(cursor: ArgumentCursor): AppendMessage {
  let flags: string[] = [];
  let internalDate: number | undefined;
  if (cursor.peek() === 0x28) {
    flags = parseFlagList(cursor);
    cursor.expect(' ');
  }
  if (cursor.peek() === 0x22) {
    internalDate = parseDateTime(cursor.stringOctets('date'));
    if (internalDate === undefined) throw new ImapSyntaxError('date and time expected');
    cursor.expect(' ');
  }
  let utf8 = false;
  if (cursor.peek() !== 0x7b && cursor.peek() !== 0x7e) {
    if (cursor.word('message literal') !== 'UTF8') cursor.fail('message literal');
    cursor.expect(' ');
    cursor.expect('(');
    utf8 = true;
  }
  const literal8 = cursor.take('~');
  if (utf8 && !literal8) cursor.fail("'~'");
  const { size, chunks } = cursor.literal();
  // The head of a command whose last literal is still to come (parseAppendHead) ends here.
  if (utf8 && !cursor.atEnd()) cursor.expect(')');
  return { flags, internalDate, chunks, size, literal8, utf8 };
}
