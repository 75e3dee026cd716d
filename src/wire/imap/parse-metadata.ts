// GETMETADATA and SETMETADATA (RFC 5464), and METADATA as a LIST return option (RFC 9590). Entry names come out in lower
// case: they are the same in any (3.2).

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { GetMetadataCommand, SetMetadataCommand } from './mailbox-command.ts';

/** Nobody needs longer ones, and answers repeat them. */
const entryBytesMax = 256;
/** Each is looked for among the mailbox's annotations. */
const entriesMax = 100;

/** GETMETADATA [SP options] SP mailbox [SP options] SP entries: the grammar has options before, the examples behind. */
export function parseGetMetadata(cursor: ArgumentCursor, tag: string): GetMetadataCommand {
  const options: Options = { maxSize: undefined, depth: 0 };
  cursor.expect(' ');
  if (cursor.peek() === 0x28) {
    parseOptions(cursor, options);
    cursor.expect(' ');
  }
  const mailbox = cursor.mailbox();
  cursor.expect(' ');
  if (/^\([a-z]/i.test(cursor.text.slice(cursor.at, cursor.at + 2))) {
    parseOptions(cursor, options);
    cursor.expect(' ');
  }
  const entries = cursor.peek() === 0x28 ? parseEntries(cursor) : [parseEntry(cursor, true)];
  return { tag, name: 'GETMETADATA', mailbox, ...options, entries };
}

/** SETMETADATA SP mailbox SP "(" entry SP value … ")". */
export function parseSetMetadata(cursor: ArgumentCursor, tag: string): SetMetadataCommand {
  cursor.expect(' ');
  const mailbox = cursor.mailbox();
  const changes: { name: string; value: Buffer | undefined }[] = [];
  cursor.expect(' ');
  cursor.expect('(');
  do {
    const name = parseEntry(cursor, false);
    cursor.expect(' ');
    changes.push({ name, value: parseValue(cursor) });
    if (changes.length > entriesMax) throw new ImapSyntaxError('too many entries');
  } while (cursor.take(' '));
  cursor.expect(')');
  return { tag, name: 'SETMETADATA', mailbox, changes };
}

/** "(" entry *(SP entry) ")". */
export function parseEntries(cursor: ArgumentCursor): string[] {
  const entries: string[] = [];
  cursor.expect('(');
  do {
    entries.push(parseEntry(cursor, true));
    if (entries.length > entriesMax) throw new ImapSyntaxError('too many entries');
  } while (cursor.take(' '));
  cursor.expect(')');
  return entries;
}

interface Options {
  maxSize: number | undefined;
  depth: GetMetadataCommand['depth'];
}

function parseOptions(cursor: ArgumentCursor, options: Options): void {
  cursor.expect('(');
  do {
    const option = cursor.word('GETMETADATA option');
    cursor.expect(' ');
    if (option === 'MAXSIZE') options.maxSize = cursor.number(0xffff_ffff, 'size');
    else if (option === 'DEPTH') options.depth = parseDepth(cursor.word('depth'));
    else throw new ImapSyntaxError('unknown GETMETADATA option');
  } while (cursor.take(' '));
  cursor.expect(')');
}

function parseDepth(word: string): Options['depth'] {
  if (word === '0') return 0;
  if (word === '1') return 1;
  if (word === 'INFINITY') return 'infinity';
  throw new ImapSyntaxError('depth 0, 1 or infinity expected');
}

/** `isRoot`: /private and /shared themselves will do, as what to look below. */
function parseEntry(cursor: ArgumentCursor, isRoot: boolean): string {
  const name = cursor.astringOctets('entry name').toLowerCase();
  const components = name.split('/').slice(1);
  const [scope, second] = components;
  const isValid =
    name.length <= entryBytesMax &&
    !/[^ -~]|[*%]/.test(name) &&
    (scope === 'private' || scope === 'shared') &&
    components.every((component) => component !== '') &&
    (isRoot || components.length >= (second === 'vendor' ? 4 : 2));
  // RFC 5464 3.2: BAD in any command.
  if (!isValid) throw new ImapSyntaxError('entry name expected, as /private/comment');
  return name;
}

/** nstring / literal8: octets, undefined for NIL. */
function parseValue(cursor: ArgumentCursor): Buffer | undefined {
  if (cursor.take('~')) return Buffer.concat(cursor.literal().chunks);
  if (cursor.peek() === 0x22 || cursor.atLiteral())
    return Buffer.from(cursor.stringOctets('value'), 'latin1');
  if (cursor.word('value or NIL') !== 'NIL') cursor.fail('value or NIL');
  return undefined;
}
