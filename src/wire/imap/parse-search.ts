// SEARCH and UID SEARCH: charset, and the keys as a tree (RFC 9051
// 6.4.4).
// Invariant: nesting stays below searchDepthMax and keys below searchKeysMax, so whoever walks the tree may
// recurse.
// Chains of OR and NOT nest in the grammar but not here: they become one `or` of many, and one `not` or none.

import { searchDepthMax, searchKeysMax } from '../../mail/search-key.ts';
import { ArgumentCursor } from './argument-cursor.ts';
import { parseDate } from './date-time.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseSearchReturn } from './parse-search-return.ts';
import type { SearchArguments, SearchCommand, SearchProgram, SearchReturn } from './search-command.ts';
import { hasCriterion, type SearchCriterion } from './search-criterion.ts';

const secondsMax = 0xffff_ffff;
const uidMax = 0xffff_ffff;
/** RFC 8474 objectid: 1*255. */
const objectIdPattern = /^[A-Za-z0-9_-]{1,255}$/;

interface SearchState {
  readonly cursor: ArgumentCursor;
  keys: number;
  usesModSeq: boolean;
  usesFuzzy: boolean;
}

/** SEARCH [SP RETURN SP "(" … ")"] SP [CHARSET SP charset SP] search-key *(SP search-key). */
export function parseSearch(cursor: ArgumentCursor, tag: string, uid: boolean): SearchCommand {
  return { tag, name: 'SEARCH', uid, ...parseSearchArguments(cursor) };
}

/** What SEARCH and ESEARCH have behind their own. */
export function parseSearchArguments(cursor: ArgumentCursor): SearchArguments {
  const wanted = cursor.takeWord('RETURN') ? parseSearchReturn(cursor) : undefined;
  // RFC 6855 section 3 would have it refused behind ENABLE UTF8=ACCEPT. A charset that is known contradicts nothing there, and RFC
  // 9051 6.4.4 allows it.
  if (cursor.takeWord('CHARSET')) {
    cursor.expect(' ');
    checkCharset(cursor.astringOctets('charset'), { wanted, cursor });
  }
  const program = parseSearchProgram(cursor);
  if (wanted?.relevancy === true && !program.usesFuzzy) {
    throw new ImapSyntaxError('RELEVANCY needs a FUZZY key');
  }
  return { return: wanted, ...program };
}

/** SP search-key *(SP search-key). */
export function parseSearchProgram(cursor: ArgumentCursor): SearchProgram {
  cursor.expect(' ');
  const state: SearchState = { cursor, keys: 0, usesModSeq: false, usesFuzzy: false };
  const key = parseKeys(state, 0);
  return { key, usesModSeq: state.usesModSeq, usesFuzzy: state.usesFuzzy };
}

/** Strings are read as UTF-8 always, of which US-ASCII is a part. */
export function checkCharset(
  charset: string,
  asked: { readonly wanted?: SearchReturn | undefined; readonly cursor?: ArgumentCursor } = {},
): void {
  if (/^(utf-?8|us-ascii|ascii)$/i.test(charset)) return;
  throw new ImapSyntaxError('charset is not supported', {
    // RFC 5466 3.1: filters are UTF-8.
    status: asked.cursor !== undefined && namesFilter(asked.cursor) ? 'BAD' : 'NO',
    clearsSaved: asked.wanted?.save === true,
    code: 'BADCHARSET (UTF-8 US-ASCII)',
  });
}

/** Of keys in an unknown charset, which need not be readable. */
function namesFilter(cursor: ArgumentCursor): boolean {
  try {
    return hasCriterion(parseSearchProgram(cursor).key, ['filter']);
  } catch (error) {
    if (error instanceof ImapSyntaxError) return false;
    throw error;
  }
}

/** A stored search (RFC 5466): octets of search-criteria, without literals. Throws only ImapSyntaxError. */
export function parseStoredSearch(value: Uint8Array): SearchProgram {
  if (value.includes(0x0a)) throw new ImapSyntaxError('a stored search is one line');
  const text = ` ${Buffer.from(value).toString('latin1')}`;
  const cursor = new ArgumentCursor({ text, literals: [] }, { utf8: true });
  const program = parseSearchProgram(cursor);
  cursor.end();
  return program;
}

/** search-key *(SP search-key): one key, or the conjunction of several. */
function parseKeys(state: SearchState, depth: number): SearchCriterion {
  if (depth >= searchDepthMax) throw new ImapSyntaxError('search is nested too deeply');
  const keys: SearchCriterion[] = [];
  do keys.push(parseKey(state, depth));
  while (state.cursor.take(' '));
  return keys.length === 1 ? keys[0]! : { type: 'and', keys };
}

function parseKey(state: SearchState, depth: number): SearchCriterion {
  const { cursor } = state;
  if (++state.keys > searchKeysMax) throw new ImapSyntaxError('too many search keys');
  const first = cursor.peek();
  if (first === 0x28) {
    cursor.at++;
    const key = parseKeys(state, depth + 1);
    cursor.expect(')');
    return key;
  }
  if ((first >= 0x30 && first <= 0x39) || first === 0x2a || first === 0x24)
    return { type: 'sequence', set: cursor.sequenceSet() };
  const word = cursor.word('search key');
  if (word === 'OR') return parseOr(state, depth);
  if (word === 'NOT') return parseNot(state, depth);
  if (word === 'FUZZY') return parseFuzzy(state, depth);
  const simple = simpleKeys.get(word);
  if (simple !== undefined) return simple;
  const parse = keysWithArguments.get(word);
  if (parse === undefined) throw new ImapSyntaxError('unknown search key');
  cursor.expect(' ');
  return parse(cursor, state);
}

/**
 * OR is prefix and associative: each further OR in operand place asks for one operand more of the same list.
 */
function parseOr(state: SearchState, depth: number): SearchCriterion {
  const keys: SearchCriterion[] = [];
  for (let wanted = 2; wanted > 0; ) {
    if (state.cursor.takeWord('OR')) wanted++;
    else {
      state.cursor.expect(' ');
      keys.push(parseKey(state, depth + 1));
      wanted--;
    }
    if (wanted > searchKeysMax) throw new ImapSyntaxError('too many search keys');
  }
  return { type: 'or', keys };
}

function parseNot(state: SearchState, depth: number): SearchCriterion {
  if (depth >= searchDepthMax) throw new ImapSyntaxError('search is nested too deeply');
  let negated = true;
  while (state.cursor.takeWord('NOT')) negated = !negated;
  state.cursor.expect(' ');
  const key = parseKey(state, depth + 1);
  return negated ? { type: 'not', key } : key;
}

/** RFC 6203. */
function parseFuzzy(state: SearchState, depth: number): SearchCriterion {
  if (depth >= searchDepthMax) throw new ImapSyntaxError('search is nested too deeply');
  while (state.cursor.takeWord('FUZZY'));
  state.cursor.expect(' ');
  state.usesFuzzy = true;
  return { type: 'fuzzy', key: parseKey(state, depth + 1) };
}

function flag(name: string, set: boolean): SearchCriterion {
  return { type: 'flag', name, set };
}

const simpleKeys: ReadonlyMap<string, SearchCriterion> = new Map<string, SearchCriterion>([
  ['ALL', { type: 'all' }],
  ['ANSWERED', flag('\\Answered', true)],
  ['DELETED', flag('\\Deleted', true)],
  ['DRAFT', flag('\\Draft', true)],
  ['FLAGGED', flag('\\Flagged', true)],
  ['SEEN', flag('\\Seen', true)],
  ['UNANSWERED', flag('\\Answered', false)],
  ['UNDELETED', flag('\\Deleted', false)],
  ['UNDRAFT', flag('\\Draft', false)],
  ['UNFLAGGED', flag('\\Flagged', false)],
  ['UNSEEN', flag('\\Seen', false)],
  ['RECENT', { type: 'recent' }],
  ['NEW', { type: 'and', keys: [{ type: 'recent' }, flag('\\Seen', false)] }],
  ['OLD', { type: 'not', key: { type: 'recent' } }],
  ['SAVEDATESUPPORTED', { type: 'saveDateSupported' }],
]);

type KeyParser = (cursor: ArgumentCursor, state: SearchState) => SearchCriterion;

function headerKey(field: string): KeyParser {
  return (cursor) => ({ type: 'header', field, text: cursor.astring('text') });
}

function dateKey(of: 'internal' | 'sent' | 'saved', compare: 'before' | 'on' | 'since'): KeyParser {
  return (cursor) => {
    const day = parseDate(cursor.astringOctets('date'));
    if (day === undefined) throw new ImapSyntaxError('date expected, as 1-Feb-1994');
    return { type: 'date', of, compare, day };
  };
}

function keywordKey(set: boolean): KeyParser {
  return (cursor) => flag(cursor.atom('keyword'), set);
}

function sizeKey(type: 'largerThan' | 'smallerThan'): KeyParser {
  return (cursor) => ({ type, bytes: cursor.number64('size') });
}

/** RFC 5032. */
function ageKey(type: 'older' | 'younger'): KeyParser {
  return (cursor) => {
    const seconds = cursor.number(secondsMax, 'interval');
    if (seconds === 0) throw new ImapSyntaxError('interval of at least 1 expected');
    return { type, seconds };
  };
}

/** RFC 8474 section 7. */
function objectIdKey(type: 'emailId' | 'threadId'): KeyParser {
  return (cursor) => {
    const id = cursor.atom('object identifier');
    if (!objectIdPattern.test(id)) cursor.fail('object identifier');
    return { type, id };
  };
}

/** MODSEQ [SP entry-name SP entry-type] SP mod-sequence (RFC 7162 3.1.5). */
function modSeqKey(cursor: ArgumentCursor, state: SearchState): SearchCriterion {
  if (cursor.peek() === 0x22) {
    const entry = cursor.stringOctets('entry name');
    if (!/^\/flags\/./i.test(entry)) throw new ImapSyntaxError('entry name expected, as "/flags/$label"');
    cursor.expect(' ');
    const entryType = cursor.word('entry type');
    if (!['PRIV', 'SHARED', 'ALL'].includes(entryType)) cursor.fail('priv, shared or all');
    cursor.expect(' ');
  }
  state.usesModSeq = true;
  return { type: 'modSeqSince', modSeq: cursor.modSequence() };
}

function headerFieldKey(cursor: ArgumentCursor): SearchCriterion {
  const field = cursor.astring('header field name').toLowerCase();
  cursor.expect(' ');
  return { type: 'header', field, text: cursor.astring('text') };
}

/** RFC 5466 section 4. */
function filterKey(cursor: ArgumentCursor): SearchCriterion {
  const name = cursor.atom('filter name');
  if (name.includes('/')) cursor.fail('filter name');
  return { type: 'filter', name };
}

/** RFC 9738: unlike `UID n+1:*` never the last message when it is below. */
function uidAfterKey(cursor: ArgumentCursor): SearchCriterion {
  return uidRangeKey(searchedUid(cursor) + 1, uidMax);
}

function uidBeforeKey(cursor: ArgumentCursor): SearchCriterion {
  return uidRangeKey(1, searchedUid(cursor) - 1);
}

function searchedUid(cursor: ArgumentCursor): number {
  return cursor.number(uidMax, 'UID') || cursor.fail('UID');
}

function uidRangeKey(from: number, to: number): SearchCriterion {
  if (from > to) return { type: 'not', key: { type: 'all' } };
  return { type: 'uid', set: { saved: false, ranges: [from, to] } };
}

const keysWithArguments: ReadonlyMap<string, KeyParser> = new Map<string, KeyParser>([
  ['BCC', headerKey('bcc')],
  ['CC', headerKey('cc')],
  ['FROM', headerKey('from')],
  ['SUBJECT', headerKey('subject')],
  ['TO', headerKey('to')],
  ['HEADER', headerFieldKey],
  ['BODY', (cursor) => ({ type: 'body', text: cursor.astring('text') })],
  ['TEXT', (cursor) => ({ type: 'text', text: cursor.astring('text') })],
  ['BEFORE', dateKey('internal', 'before')],
  ['ON', dateKey('internal', 'on')],
  ['SINCE', dateKey('internal', 'since')],
  ['SENTBEFORE', dateKey('sent', 'before')],
  ['SENTON', dateKey('sent', 'on')],
  ['SENTSINCE', dateKey('sent', 'since')],
  // RFC 8514.
  ['SAVEDBEFORE', dateKey('saved', 'before')],
  ['SAVEDON', dateKey('saved', 'on')],
  ['SAVEDSINCE', dateKey('saved', 'since')],
  ['KEYWORD', keywordKey(true)],
  ['UNKEYWORD', keywordKey(false)],
  ['LARGER', sizeKey('largerThan')],
  ['SMALLER', sizeKey('smallerThan')],
  ['OLDER', ageKey('older')],
  ['YOUNGER', ageKey('younger')],
  ['UID', (cursor) => ({ type: 'uid', set: cursor.sequenceSet() })],
  ['UIDAFTER', uidAfterKey],
  ['UIDBEFORE', uidBeforeKey],
  ['MODSEQ', modSeqKey],
  ['FILTER', filterKey],
  ['EMAILID', objectIdKey('emailId')],
  ['THREADID', objectIdKey('threadId')],
]);
