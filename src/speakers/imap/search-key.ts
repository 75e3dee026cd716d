// From what a client's SEARCH says to what an account searches: message numbers, `$`, \Recent and ages become UIDs
// through the view, the rest is renamed (RFC 9051 6.4.4). Needs the columns only for ages (RFC 5032).

import type { MessageColumns } from '../../account/port.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { ImapSyntaxError } from '../../wire/imap/imap-syntax-error.ts';
import { hasCriterion, type SearchCriterion } from '../../wire/imap/search-criterion.ts';
import { type SequenceSet, sequenceIndexes, sequenceRanges } from '../../wire/imap/sequence-set.ts';
import { uidsAt } from './message-set.ts';
import { parseObjectId } from './object-ids.ts';
import type { MailboxView } from './view.ts';

export interface SearchContext {
  readonly view: MailboxView;
  /** RFC 9586: message numbers are no criteria. */
  readonly uidOnly: boolean;
  /** Behind object identifiers of the view's account (object-ids.ts). */
  readonly idSuffix: string;
  /** Seconds since 1970 UTC. */
  readonly now: number;
  /** Of all messages; given when `usesAge`. */
  readonly columns: MessageColumns | undefined;
  /** FUZZY keys are read as if they were not FUZZY. */
  readonly strict?: boolean;
}

const all: SearchKey = { type: 'all' };
const nothing: SearchKey = { type: 'not', key: all };

export function searchKey(criterion: SearchCriterion, context: SearchContext): SearchKey {
  switch (criterion.type) {
    case 'all':
    case 'saveDateSupported':
      return all;
    case 'and':
    case 'or':
      return { type: criterion.type, keys: criterion.keys.map((key) => searchKey(key, context)) };
    case 'not':
      return { type: 'not', key: searchKey(criterion.key, context) };
    case 'fuzzy': {
      const key = searchKey(criterion.key, context);
      return context.strict === true ? key : loosened(key);
    }
    case 'recent':
      return uidsKey(context.view.recentRanges());
    case 'sequence':
      if (context.uidOnly && !criterion.set.saved) throw numbersNotPossible();
      return uidsKey(rangesOf(numberedUids(context.view, criterion.set)));
    case 'uid':
      return uidSetKey(context.view, criterion.set);
    case 'older':
    case 'younger':
      return ageKey(criterion.type, context.now - criterion.seconds, context.columns!);
    case 'emailId':
    case 'threadId':
      return objectIdKey(criterion, context.idSuffix);
    case 'filter':
      throw undefinedFilter(criterion.name);
    default:
      return criterion;
  }
}

export function usesAge(criterion: SearchCriterion): boolean {
  return hasCriterion(criterion, ['older', 'younger']);
}

/** RFC 5466 3.1. */
export function undefinedFilter(name: string): ImapSyntaxError {
  return new ImapSyntaxError('no such filter', { status: 'NO', code: `UNDEFINED-FILTER ${name}` });
}

function numbersNotPossible(): ImapSyntaxError {
  const text = 'message numbers are not possible with UIDONLY';
  return new ImapSyntaxError(text, { status: 'BAD', code: 'UIDREQUIRED' });
}

/** More words than people type; each is a key of its own. */
const fuzzyWordsMax = 20;
const betweenWords = /[^\p{L}\p{N}\p{M}_]+/u;

/** RFC 6203: all the words of a text, wherever they are, instead of the text. */
function loosened(key: SearchKey): SearchKey {
  switch (key.type) {
    case 'and':
    case 'or':
      return { type: key.type, keys: key.keys.map(loosened) };
    case 'not':
      return key;
    case 'header':
    case 'body':
    case 'text': {
      const words = key.text.split(betweenWords).filter((word) => word !== '');
      if (words.length < 2) return words.length === 1 ? { ...key, text: words[0]! } : key;
      return { type: 'and', keys: words.slice(0, fuzzyWordsMax).map((text) => ({ ...key, text })) };
    }
    default:
      return key;
  }
}

function uidsKey(ranges: readonly number[]): SearchKey {
  return ranges.length === 0 ? nothing : { type: 'uids', ranges };
}

function uidSetKey(view: MailboxView, set: SequenceSet): SearchKey {
  return uidsKey(set.saved ? rangesOf(view.saved) : sequenceRanges(set, view.lastUid));
}

/** Numbers beyond the view name nothing here: a search for what is not there is none's mistake. */
function numberedUids(view: MailboxView, set: SequenceSet): Uint32Array {
  return set.saved ? view.saved : uidsAt(view, sequenceIndexes(set, view.count, true)!);
}

/** Ascending numbers to inclusive pairs. */
function rangesOf(numbers: Uint32Array): number[] {
  const ranges: number[] = [];
  for (let start = 0; start < numbers.length; ) {
    let end = start;
    while (end + 1 < numbers.length && numbers[end + 1] === numbers[end]! + 1) end++;
    ranges.push(numbers[start]!, numbers[end]!);
    start = end + 1;
  }
  return ranges;
}

/** RFC 5032: OLDER at or before the instant, YOUNGER at or after it. */
function ageKey(type: 'older' | 'younger', instant: number, columns: MessageColumns): SearchKey {
  const { internalDates } = columns;
  const uids = columns.uids.filter((_, at) =>
    type === 'older' ? internalDates[at]! <= instant : internalDates[at]! >= instant,
  );
  return uidsKey(rangesOf(uids));
}

function objectIdKey(
  { type, id: text }: Extract<SearchCriterion, { type: 'emailId' | 'threadId' }>,
  suffix: string,
): SearchKey {
  const id = parseObjectId(text, type === 'emailId' ? 'M' : 'T', suffix);
  if (id === undefined) return nothing;
  return type === 'emailId' ? { type, emailId: id } : { type, threadId: id };
}
