// FETCH and UID FETCH: macros, data items, sections, partials, modifiers (RFC 9051 6.4.5, RFC 3516, RFC 7162
// 3.1.4).

import type { ArgumentCursor } from './argument-cursor.ts';
import { type BodySection, headerFieldsMax, partDepthMax } from './body-section.ts';
import { itemCharacter } from './character-class.ts';
import { formatAstring } from './format-string.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { FetchCommand, FetchItem, Partial } from './message-command.ts';
import { parsePartialRange } from './parse-search-return.ts';
import type { PartialRange } from './search-command.ts';

/** Each item is worked through for each message. */
const fetchItemsMax = 250;
const partNumberMax = 0xffff_ffff;

const whole: BodySection = { part: [], text: 'whole', fields: [] };
const header: BodySection = { part: [], text: 'header', fields: [] };
const text: BodySection = { part: [], text: 'text', fields: [] };

const envelope: FetchItem = { type: 'envelope', label: 'ENVELOPE' };
const flags: FetchItem = { type: 'flags', label: 'FLAGS' };
const internalDate: FetchItem = { type: 'internalDate', label: 'INTERNALDATE' };
const size: FetchItem = { type: 'size', label: 'RFC822.SIZE' };
const body: FetchItem = { type: 'body', label: 'BODY' };
const uidItem: FetchItem = { type: 'uid', label: 'UID', implied: false };
const impliedUid: FetchItem = { ...uidItem, implied: true };
const modSeq: FetchItem = { type: 'modSeq', label: 'MODSEQ' };

/** Items without arguments, and the macros. BODY and BINARY with a section: parseSectionItem. */
const simpleItems: ReadonlyMap<string, readonly FetchItem[]> = new Map<string, readonly FetchItem[]>([
  ['ALL', [flags, internalDate, size, envelope]],
  ['FAST', [flags, internalDate, size]],
  ['FULL', [flags, internalDate, size, envelope, body]],
  ['ENVELOPE', [envelope]],
  ['FLAGS', [flags]],
  ['INTERNALDATE', [internalDate]],
  ['RFC822.SIZE', [size]],
  ['BODY', [body]],
  ['BODYSTRUCTURE', [{ type: 'bodyStructure', label: 'BODYSTRUCTURE' }]],
  ['UID', [uidItem]],
  ['MODSEQ', [modSeq]],
  ['EMAILID', [{ type: 'emailId', label: 'EMAILID' }]],
  ['THREADID', [{ type: 'threadId', label: 'THREADID' }]],
  ['SAVEDATE', [{ type: 'saveDate', label: 'SAVEDATE' }]],
  ['PREVIEW', [{ type: 'preview', label: 'PREVIEW' }]],
  // RFC 3501 6.4.5: equivalent to BODY[], BODY.PEEK[HEADER] and BODY[TEXT] but for the name in the answer.
  ['RFC822', [{ type: 'section', peek: false, section: whole, partial: undefined, label: 'RFC822' }]],
  [
    'RFC822.HEADER',
    [{ type: 'section', peek: true, section: header, partial: undefined, label: 'RFC822.HEADER' }],
  ],
  [
    'RFC822.TEXT',
    [{ type: 'section', peek: false, section: text, partial: undefined, label: 'RFC822.TEXT' }],
  ],
]);

/** FETCH SP sequence-set SP (macro / item / "(" items ")") [SP "(" modifiers ")"]. */
export function parseFetch(cursor: ArgumentCursor, tag: string, uid: boolean): FetchCommand {
  cursor.expect(' ');
  const set = cursor.sequenceSet();
  cursor.expect(' ');
  const items: FetchItem[] = uid ? [impliedUid] : [];
  if (cursor.take('(')) {
    do parseItem(cursor, items);
    while (cursor.take(' '));
    cursor.expect(')');
  } else parseItem(cursor, items);
  let changedSince: number | undefined;
  let vanished = false;
  let partial: PartialRange | undefined;
  if (cursor.take(' ')) {
    cursor.expect('(');
    do {
      const modifier = cursor.word('FETCH modifier');
      if (modifier === 'CHANGEDSINCE') {
        cursor.expect(' ');
        changedSince = cursor.modSequence();
      } else if (modifier === 'VANISHED') vanished = true;
      else if (modifier === 'PARTIAL' && uid && partial === undefined) {
        cursor.expect(' ');
        partial = parsePartialRange(cursor);
      } else throw new ImapSyntaxError('unknown FETCH modifier');
    } while (cursor.take(' '));
    cursor.expect(')');
  }
  if (vanished && (!uid || changedSince === undefined))
    throw new ImapSyntaxError('VANISHED needs UID FETCH with CHANGEDSINCE');
  if (changedSince !== undefined) addItem(items, modSeq);
  return { tag, name: 'FETCH', uid, set, items, changedSince, vanished, partial };
}

/**
 * Once by label: an answer names each item once. Of two that differ in PEEK only, the one that sets \Seen
 * counts.
 */
function addItem(items: FetchItem[], item: FetchItem): void {
  for (let index = 0; index < items.length; index++) {
    const other = items[index]!;
    if (other.label !== item.label) continue;
    if (other.type !== item.type) break;
    if (item.type === 'uid') items[index] = item;
    if ('peek' in other && 'peek' in item && 'partial' in other && 'partial' in item) {
      if (other.partial?.bytes !== item.partial?.bytes) continue;
      if (other.peek && !item.peek) items[index] = item;
    }
    return;
  }
  if (items.length >= fetchItemsMax) throw new ImapSyntaxError('too many FETCH items');
  items.push(item);
}

/** "(" item *(SP item) ")"; macros too. */
export function parseFetchItems(cursor: ArgumentCursor): FetchItem[] {
  const items: FetchItem[] = [];
  cursor.expect('(');
  do parseItem(cursor, items);
  while (cursor.take(' '));
  cursor.expect(')');
  return items;
}

function parseItem(cursor: ArgumentCursor, items: FetchItem[]): void {
  const name = cursor.run(itemCharacter).toUpperCase();
  if (cursor.peek() === 0x5b) {
    addItem(items, parseSectionItem(cursor, name));
    return;
  }
  const simple = simpleItems.get(name);
  if (simple === undefined)
    throw new ImapSyntaxError(name === '' ? 'FETCH item expected' : 'unknown FETCH item');
  for (const item of simple) addItem(items, item);
  // RFC 8970: PREVIEW (LAZY) allows NIL for what is not at hand; ours always is.
  if (name === 'PREVIEW' && cursor.text.slice(cursor.at, cursor.at + 7).toUpperCase() === ' (LAZY)')
    cursor.at += 7;
}

function parseSectionItem(cursor: ArgumentCursor, name: string): FetchItem {
  switch (name) {
    case 'BODY':
    case 'BODY.PEEK': {
      const { section, label } = parseSection(cursor);
      const { partial, origin } = parsePartial(cursor);
      return {
        type: 'section',
        peek: name !== 'BODY',
        section,
        partial,
        label: `BODY[${label}]${origin}`,
      };
    }
    case 'BINARY':
    case 'BINARY.PEEK': {
      const part = parseBinaryPart(cursor);
      const { partial, origin } = parsePartial(cursor);
      const label = `BINARY[${part.join('.')}]${origin}`;
      return { type: 'binary', peek: name !== 'BINARY', part, partial, label };
    }
    case 'BINARY.SIZE': {
      const part = parseBinaryPart(cursor);
      return { type: 'binarySize', part, label: `BINARY.SIZE[${part.join('.')}]` };
    }
    default:
      throw new ImapSyntaxError('unknown FETCH item');
  }
}

/** "[" [section-part] "]". */
function parseBinaryPart(cursor: ArgumentCursor): number[] {
  cursor.expect('[');
  const part: number[] = [];
  if (!cursor.take(']')) {
    do part.push(parsePartNumber(cursor, part.length));
    while (cursor.take('.'));
    cursor.expect(']');
  }
  return part;
}

function parsePartNumber(cursor: ArgumentCursor, depth: number): number {
  if (depth >= partDepthMax) throw new ImapSyntaxError('section is too deep');
  const number = cursor.number(partNumberMax, 'part number');
  if (number === 0) throw new ImapSyntaxError('part numbers start at 1');
  return number;
}

/** "[" [section-spec] "]"; the label is what to write between the brackets of the answer. */
export function parseSection(cursor: ArgumentCursor): { section: BodySection; label: string } {
  cursor.expect('[');
  if (cursor.take(']')) return { section: whole, label: '' };
  const part: number[] = [];
  let more = true;
  while (more && cursor.peek() >= 0x30 && cursor.peek() <= 0x39) {
    part.push(parsePartNumber(cursor, part.length));
    more = cursor.take('.');
  }
  if (!more && cursor.take(']'))
    return { section: { part, text: 'whole', fields: [] }, label: part.join('.') };
  if (!more) cursor.fail("']'");
  const name = cursor.run(itemCharacter).toUpperCase();
  const label = [...part, name].join('.');
  let fields: string[] = [];
  let fieldsLabel = '';
  if (name === 'HEADER.FIELDS' || name === 'HEADER.FIELDS.NOT') {
    fields = parseHeaderList(cursor);
    fieldsLabel = ` (${fields.map((field) => formatAstring(field)).join(' ')})`;
    fields = fields.map((field) => field.toLowerCase());
  }
  cursor.expect(']');
  return { section: { part, text: sectionText(name, part), fields }, label: label + fieldsLabel };
}

function sectionText(name: string, part: readonly number[]): BodySection['text'] {
  switch (name) {
    case 'HEADER':
      return 'header';
    case 'HEADER.FIELDS':
      return 'headerFields';
    case 'HEADER.FIELDS.NOT':
      return 'headerFieldsNot';
    case 'TEXT':
      return 'text';
    case 'MIME':
      if (part.length > 0) return 'mime';
      throw new ImapSyntaxError('MIME needs a part number');
    default:
      throw new ImapSyntaxError('unknown section');
  }
}

/** SP "(" header-fld-name *(SP header-fld-name) ")". */
function parseHeaderList(cursor: ArgumentCursor): string[] {
  const fields: string[] = [];
  cursor.expect(' ');
  cursor.expect('(');
  do {
    const field = cursor.astringOctets('header field name');
    // No field has another name (RFC 5322 2.2), and the answer repeats it: nothing that would need a literal.
    if (!/^[!-~]+$/.test(field)) throw new ImapSyntaxError('header field name expected');
    fields.push(field);
    if (fields.length > headerFieldsMax) throw new ImapSyntaxError('too many header field names');
  } while (cursor.take(' '));
  cursor.expect(')');
  return fields;
}

/** ["<" number64 "." nz-number64 ">"]; the origin as the answer repeats it. */
function parsePartial(cursor: ArgumentCursor): { partial: Partial | undefined; origin: string } {
  if (!cursor.take('<')) return { partial: undefined, origin: '' };
  const start = cursor.at;
  const offset = cursor.number64('offset');
  const origin = `<${cursor.text.slice(start, cursor.at)}>`;
  cursor.expect('.');
  const bytes = cursor.number64('length');
  if (bytes === 0) throw new ImapSyntaxError('length of at least 1 expected');
  cursor.expect('>');
  return { partial: { offset, bytes }, origin };
}
