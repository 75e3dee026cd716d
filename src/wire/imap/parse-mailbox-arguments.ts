// Arguments of the commands about mailboxes: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE,
// STATUS.
// LIST and LSUB: parse-list.ts. APPEND: parse-append.ts.

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type {
  CreateCommand,
  GetQuotaCommand,
  GetQuotaRootCommand,
  MailboxCommand,
  QresyncParameters,
  RenameCommand,
  SelectCommand,
  SetQuotaCommand,
  StatusCommand,
  StatusItem,
} from './mailbox-command.ts';
import { hasStar, type SequenceSet } from './sequence-set.ts';

const numberMax = 0xffff_ffff;
/** RFC 9208 defines four. */
const resourcesMax = 16;
/** There are not so many special uses. */
const useMax = 32;

const statusItems: ReadonlySet<string> = new Set<StatusItem>([
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED',
  'SIZE',
  'HIGHESTMODSEQ',
  'MAILBOXID',
  'APPENDLIMIT',
  'DELETED-STORAGE',
]);

const specialUses = new Map(
  ['\\All', '\\Archive', '\\Drafts', '\\Flagged', '\\Important', '\\Junk', '\\Sent', '\\Trash'].map((use) => [
    use.toLowerCase(),
    use,
  ]),
);

export function mailboxParser(
  name: MailboxCommand['name'],
): (cursor: ArgumentCursor, tag: string) => MailboxCommand {
  return (cursor, tag) => {
    cursor.expect(' ');
    return { tag, name, mailbox: cursor.mailbox() };
  };
}

/** GETQUOTA SP astring. */
export function parseGetQuota(cursor: ArgumentCursor, tag: string): GetQuotaCommand {
  cursor.expect(' ');
  return { tag, name: 'GETQUOTA', root: cursor.astring('quota root') };
}

export function parseGetQuotaRoot(cursor: ArgumentCursor, tag: string): GetQuotaRootCommand {
  cursor.expect(' ');
  return { tag, name: 'GETQUOTAROOT', mailbox: cursor.mailbox() };
}

/** SETQUOTA SP astring SP "(" [resource SP number64 *(SP …)] ")". */
export function parseSetQuota(cursor: ArgumentCursor, tag: string): SetQuotaCommand {
  cursor.expect(' ');
  const root = cursor.astring('quota root');
  cursor.expect(' ');
  cursor.expect('(');
  const limits = new Map<string, number>();
  if (!cursor.take(')')) {
    do {
      const resource = cursor.word('resource');
      if (limits.has(resource)) throw new ImapSyntaxError('a resource is named twice');
      if (limits.size === resourcesMax) throw new ImapSyntaxError('too many resources');
      cursor.expect(' ');
      limits.set(resource, cursor.number64('limit'));
    } while (cursor.take(' '));
    cursor.expect(')');
  }
  return { tag, name: 'SETQUOTA', root, limits };
}

export function parseRename(cursor: ArgumentCursor, tag: string): RenameCommand {
  cursor.expect(' ');
  const from = cursor.mailbox();
  cursor.expect(' ');
  return { tag, name: 'RENAME', from, to: cursor.mailbox() };
}

/** mailbox [SP "(" "USE" SP "(" use-attr … ")" ")"], RFC 6154 section 6. */
export function parseCreate(cursor: ArgumentCursor, tag: string): CreateCommand {
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  if (!cursor.take(' ')) return { tag, name: 'CREATE', mailbox, use: undefined };
  cursor.expect('(');
  if (cursor.word('USE') !== 'USE') throw new ImapSyntaxError('unknown CREATE parameter');
  cursor.expect(' ');
  cursor.expect('(');
  const use: string[] = [];
  if (!cursor.take(')')) {
    do {
      cursor.expect('\\');
      const attribute = `\\${cursor.atom('special use')}`;
      use.push(specialUses.get(attribute.toLowerCase()) ?? attribute);
      if (use.length > useMax) throw new ImapSyntaxError('too many special uses');
    } while (cursor.take(' '));
    cursor.expect(')');
  }
  cursor.expect(')');
  return { tag, name: 'CREATE', mailbox, use };
}

/** mailbox [SP "(" select-param … ")"], RFC 4466, RFC 7162. */
export function selectParser(
  name: SelectCommand['name'],
): (cursor: ArgumentCursor, tag: string) => SelectCommand {
  return (cursor, tag) => {
    cursor.expect(' ');
    const mailbox = cursor.mailbox();
    let condstore = false;
    let qresync: QresyncParameters | undefined;
    if (cursor.take(' ')) {
      cursor.expect('(');
      do {
        const parameter = cursor.word('SELECT parameter');
        if (parameter === 'CONDSTORE') condstore = true;
        else if (parameter === 'QRESYNC' && qresync === undefined) qresync = parseQresync(cursor);
        else throw new ImapSyntaxError('unknown SELECT parameter');
      } while (cursor.take(' '));
      cursor.expect(')');
    }
    return { tag, name, mailbox, condstore, qresync };
  };
}

/** SP "(" uidvalidity SP mod-sequence [SP known-uids] [SP "(" sequences SP uids ")"] ")". */
function parseQresync(cursor: ArgumentCursor): QresyncParameters {
  cursor.expect(' ');
  cursor.expect('(');
  const uidValidity = cursor.number(numberMax, 'UIDVALIDITY');
  cursor.expect(' ');
  const modSeq = cursor.modSequence();
  if (uidValidity === 0 || modSeq === 0) throw new ImapSyntaxError('QRESYNC numbers start at 1');
  let knownUids: SequenceSet | undefined;
  let match: QresyncParameters['match'];
  let more = cursor.take(' ');
  if (more && cursor.peek() !== 0x28) {
    knownUids = knownSet(cursor);
    more = cursor.take(' ');
  }
  if (more) {
    cursor.expect('(');
    const sequences = knownSet(cursor);
    cursor.expect(' ');
    match = { sequences, uids: knownSet(cursor) };
    cursor.expect(')');
  }
  cursor.expect(')');
  return { uidValidity, modSeq, knownUids, match };
}

function knownSet(cursor: ArgumentCursor): SequenceSet {
  const set = cursor.sequenceSet();
  if (set.saved || hasStar(set)) throw new ImapSyntaxError('QRESYNC sets are plain numbers');
  return set;
}

export function parseStatus(cursor: ArgumentCursor, tag: string): StatusCommand {
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  cursor.expect(' ');
  return { tag, name: 'STATUS', mailbox, items: parseStatusItems(cursor) };
}

/** "(" status-att *(SP status-att) ")", each kept once. Also in LIST RETURN (STATUS (…)), RFC 5819. */
export function parseStatusItems(cursor: ArgumentCursor): StatusItem[] {
  const items: StatusItem[] = [];
  cursor.expect('(');
  do {
    const item = cursor.word('STATUS item');
    if (!isStatusItem(item)) throw new ImapSyntaxError('unknown STATUS item');
    if (!items.includes(item)) items.push(item);
  } while (cursor.take(' '));
  cursor.expect(')');
  return items;
}

function isStatusItem(word: string): word is StatusItem {
  return statusItems.has(word);
}
