// ESEARCH over several mailboxes (RFC 7377) and CANCELUPDATE (RFC 5267 4.3.5).

import type { ArgumentCursor } from './argument-cursor.ts';
import { tagCharacter } from './character-class.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseSearchArguments } from './parse-search.ts';
import type { CancelUpdateCommand, MultisearchCommand, SearchSource } from './search-command.ts';

/** Each may be a walk through a mailbox. */
const mailboxesMax = 1_000;

const places = ['selected', 'inboxes', 'personal', 'subscribed'] as const;
const withMailboxes: ReadonlyMap<string, 'mailboxes' | 'subtree' | 'subtreeOne'> = new Map([
  ['MAILBOXES', 'mailboxes'],
  ['SUBTREE', 'subtree'],
  ['SUBTREE-ONE', 'subtreeOne'],
]);

/** ESEARCH [SP IN SP "(" source … ")"] [SP RETURN …] [SP CHARSET …] SP keys. */
export function parseMultisearch(cursor: ArgumentCursor, tag: string): MultisearchCommand {
  const sources = cursor.takeWord('IN') ? parseSources(cursor) : undefined;
  return { tag, name: 'ESEARCH', sources, ...parseSearchArguments(cursor) };
}

function parseSources(cursor: ArgumentCursor): SearchSource[] {
  const sources: SearchSource[] = [];
  let count = 0;
  cursor.expect(' ');
  cursor.expect('(');
  do {
    const word = cursor.word('mailbox specifier');
    const place = places.find((name) => name.toUpperCase() === word);
    const type = withMailboxes.get(word);
    if (place !== undefined) sources.push({ type: place });
    else if (type === undefined) throw new ImapSyntaxError('unknown mailbox specifier');
    else {
      cursor.expect(' ');
      const mailboxes = parseMailboxes(cursor);
      count += mailboxes.length;
      sources.push({ type, mailboxes });
    }
    if (++count > mailboxesMax) throw new ImapSyntaxError('too many mailboxes');
  } while (cursor.take(' '));
  // RFC 7377 section 4: scope options; we know none.
  cursor.expect(')');
  return sources;
}

/** RFC 5465 one-or-more-mailbox. */
function parseMailboxes(cursor: ArgumentCursor): string[] {
  if (!cursor.take('(')) return [cursor.mailbox()];
  const mailboxes: string[] = [];
  do mailboxes.push(cursor.mailbox());
  while (cursor.take(' '));
  cursor.expect(')');
  return mailboxes;
}

/** CANCELUPDATE 1*(SP quoted-tag). */
export function parseCancelUpdate(cursor: ArgumentCursor, tag: string): CancelUpdateCommand {
  const tags: string[] = [];
  do {
    cursor.expect(' ');
    tags.push(
      cursor.peek() === 0x22 ? cursor.stringOctets('tag') : cursor.run(tagCharacter) || cursor.fail('tag'),
    );
  } while (!cursor.atEnd());
  return { tag, name: 'CANCELUPDATE', tags };
}
