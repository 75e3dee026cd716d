// NOTIFY (RFC 5465): which events of which mailboxes a client wants to be told of at any time.

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { NotifyCommand, NotifyGroup, NotifySelected } from './mailbox-command.ts';
import type { FetchItem } from './message-command.ts';
import { parseFetchItems } from './parse-fetch.ts';

/** Each event is held against all of them. */
const groupsMax = 100;
const mailboxesMax = 1000;

const supported =
  'MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange';
const eventNames: ReadonlySet<string> = new Set(supported.toUpperCase().split(' '));
const messageEvents: ReadonlySet<string> = new Set(['MESSAGENEW', 'MESSAGEEXPUNGE', 'FLAGCHANGE']);

/** NOTIFY SP ("NONE" / "SET" [SP "STATUS"] SP event-group *(SP event-group)). */
export function parseNotify(cursor: ArgumentCursor, tag: string): NotifyCommand {
  cursor.expect(' ');
  const word = cursor.word('SET or NONE');
  if (word === 'NONE') return { tag, name: 'NOTIFY', status: false, selected: undefined, groups: [] };
  if (word !== 'SET') cursor.fail('SET or NONE');
  const status = cursor.takeWord('STATUS');
  let selected: NotifySelected | undefined;
  const groups: NotifyGroup[] = [];
  cursor.expect(' ');
  do {
    cursor.expect('(');
    const filter = cursor.word('mailbox specifier');
    if (filter === 'SELECTED' || filter === 'SELECTED-DELAYED') {
      // RFC 5465 6.1: one of the two, once.
      if (selected !== undefined) throw new ImapSyntaxError('SELECTED comes once');
      selected = parseSelected(cursor, filter === 'SELECTED-DELAYED');
    } else groups.push(parseGroup(cursor, filter));
    cursor.expect(')');
    if (groups.length > groupsMax) throw new ImapSyntaxError('too many event groups');
  } while (cursor.take(' '));
  return { tag, name: 'NOTIFY', status, selected, groups };
}

function parseSelected(cursor: ArgumentCursor, delayed: boolean): NotifySelected {
  const { events, fetch } = parseEvents(cursor);
  for (const event of events) {
    if (!messageEvents.has(event))
      throw new ImapSyntaxError('only message events are of the selected mailbox');
  }
  return { delayed, messages: events.has('MESSAGENEW'), flags: events.has('FLAGCHANGE'), fetch };
}

function parseGroup(cursor: ArgumentCursor, filter: string): NotifyGroup {
  const mailboxes = parseFilter(cursor, filter);
  const { events, fetch } = parseEvents(cursor);
  if (fetch !== undefined) throw new ImapSyntaxError('items are fetched of the selected mailbox only');
  return {
    mailboxes,
    messages: events.has('MESSAGENEW'),
    flags: events.has('FLAGCHANGE'),
    names: events.has('MAILBOXNAME'),
    subscriptions: events.has('SUBSCRIPTIONCHANGE'),
    metadata: events.has('MAILBOXMETADATACHANGE'),
    serverMetadata: events.has('SERVERMETADATACHANGE'),
  };
}

function parseFilter(cursor: ArgumentCursor, filter: string): NotifyGroup['mailboxes'] {
  switch (filter) {
    case 'INBOXES':
      return { type: 'inboxes' };
    case 'PERSONAL':
      return { type: 'personal' };
    case 'SUBSCRIBED':
      return { type: 'subscribed' };
    case 'SUBTREE':
      return { type: 'subtree', names: parseNames(cursor) };
    case 'MAILBOXES':
      return { type: 'mailboxes', names: parseNames(cursor) };
    default:
      throw new ImapSyntaxError('unknown mailbox specifier');
  }
}

/** SP (mailbox / "(" mailbox *(SP mailbox) ")"). */
function parseNames(cursor: ArgumentCursor): string[] {
  cursor.expect(' ');
  if (!cursor.take('(')) return [cursor.mailbox()];
  const names: string[] = [];
  do {
    names.push(cursor.mailbox());
    if (names.length > mailboxesMax) throw new ImapSyntaxError('too many mailboxes');
  } while (cursor.take(' '));
  cursor.expect(')');
  return names;
}

/** SP ("NONE" / "(" event *(SP event) ")"). */
function parseEvents(cursor: ArgumentCursor): {
  readonly events: ReadonlySet<string>;
  readonly fetch: readonly FetchItem[] | undefined;
} {
  cursor.expect(' ');
  const events = new Set<string>();
  if (!cursor.take('(')) {
    if (cursor.word('events') !== 'NONE') cursor.fail('events');
    return { events, fetch: undefined };
  }
  let fetch: readonly FetchItem[] | undefined;
  do {
    const event = cursor.word('event');
    // RFC 5465 3.1: NO, with the names of all we know.
    if (!eventNames.has(event)) {
      throw new ImapSyntaxError('event is not supported', { status: 'NO', code: `BADEVENT (${supported})` });
    }
    events.add(event);
    if (event === 'MESSAGENEW' && cursor.text.startsWith(' (', cursor.at)) {
      cursor.expect(' ');
      fetch = parseFetchItems(cursor);
    }
  } while (cursor.take(' '));
  cursor.expect(')');
  const [isNew, isExpunge] = [events.has('MESSAGENEW'), events.has('MESSAGEEXPUNGE')];
  // RFC 5465 section 5.
  if (isNew !== isExpunge) throw new ImapSyntaxError('MessageNew and MessageExpunge come together');
  if (events.has('FLAGCHANGE') && !isNew) throw new ImapSyntaxError('FlagChange needs MessageNew');
  return { events, fetch };
}
