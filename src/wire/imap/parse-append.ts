// APPEND (RFC 9051 6.3.12), with UTF8 (RFC 6855), literal8 (RFC 3516), CATENATE (RFC 4469) and several messages (RFC
// 3502), and REPLACE (RFC 8508), which is an APPEND of one message behind a message number.

import type { ArgumentCursor } from './argument-cursor.ts';
import { parseDateTime } from './date-time.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseImapUrl } from './imap-url.ts';
import type { AppendCommand, AppendMessage, CatenatePart, ReplaceCommand } from './message-command.ts';
import { parseFlagList } from './parse-flags.ts';
import type { Literal } from './raw-command.ts';

/** Each may be a message to read. Literals are fewer: the reader's own limit. */
const catenatePartsMax = 1000;

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

/** REPLACE SP seq-number SP mailbox SP [flag-list SP] [date-time SP] append-data. */
export function parseReplace(cursor: ArgumentCursor, tag: string, uid: boolean): ReplaceCommand {
  cursor.expect(' ');
  const set = cursor.sequenceSet();
  if (set.saved || set.ranges.length !== 2 || set.ranges[0] !== set.ranges[1])
    throw new ImapSyntaxError('one message number expected');
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  cursor.expect(' ');
  return { tag, name: 'REPLACE', uid, set, mailbox, messages: [parseMessage(cursor)] };
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
  if (cursor.peek() === 0x7b || cursor.peek() === 0x7e) {
    const literal8 = cursor.take('~');
    return { flags, internalDate, ...cursor.literal(), literal8, utf8: false, catenate: undefined };
  }
  const extension = cursor.word('message literal');
  if (extension === 'CATENATE') {
    const { parts: catenate, literal8 } = parseCatenate(cursor);
    const size = catenate.reduce((sum, part) => sum + ('chunks' in part ? part.size : 0), 0);
    return { flags, internalDate, chunks: [], size, literal8, utf8: false, catenate };
  }
  if (extension !== 'UTF8') cursor.fail('message literal');
  const literal = parseUtf8Literal(cursor);
  return { flags, internalDate, ...literal, literal8: true, utf8: true, catenate: undefined };
}

/** SP "(" literal8 ")", RFC 6855 section 4. What is in it is judged when it is all there. */
function parseUtf8Literal(cursor: ArgumentCursor): Literal {
  cursor.expect(' ');
  cursor.expect('(');
  cursor.expect('~');
  const literal = cursor.literal();
  if (!cursor.atHeadEnd()) cursor.expect(')');
  return literal;
}

/** SP "(" ("TEXT" SP literal / "URL" SP astring / "UTF8" SP "(" literal8 ")") … ")". */
function parseCatenate(cursor: ArgumentCursor): {
  readonly parts: CatenatePart[];
  readonly literal8: boolean;
} {
  const parts: CatenatePart[] = [];
  let literal8 = false;
  cursor.expect(' ');
  cursor.expect('(');
  do {
    const kind = cursor.word('TEXT or URL');
    if (kind === 'UTF8') {
      parts.push(parseUtf8Literal(cursor));
      literal8 = true;
    } else if (kind === 'TEXT') {
      cursor.expect(' ');
      if (cursor.take('~')) literal8 = true;
      parts.push(cursor.literal());
    } else if (kind === 'URL') {
      cursor.expect(' ');
      const text = cursor.astringOctets('URL');
      parts.push({ text, url: parseImapUrl(text) });
    } else cursor.fail('TEXT or URL');
    if (parts.length > catenatePartsMax) throw new ImapSyntaxError('too many parts');
    // The head of a command whose last literal is still to come (parseAppendHead) ends here.
    if (cursor.atHeadEnd()) return { parts, literal8 };
  } while (cursor.take(' '));
  cursor.expect(')');
  return { parts, literal8 };
}
