// Evaluates a search over one moment of a mailbox. Cheap keys first: those that columns answer cut the list down
// before any header is read, and headers before any body.
//
// Invariants: a message that vanishes meanwhile matches nothing; the loop rests between messages. The key's depth and
// size were limited by whoever parsed it (searchDepthMax, searchKeysMax).

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import { MailError } from '../../mail/mail-error.ts';
import { type SearchKey, searchDepthMax, searchKeysMax } from '../../mail/search-key.ts';
import type { MessageColumns } from '../port.ts';
import type { ReaderContext } from '../reading/message-reader.ts';
import type { IndexedMatches, MatchColumn } from '../search-index/indexed-matches.ts';
import { matchMaybe, matchYes } from '../search-index/term-table.ts';
import { flagBit } from '../table/keyword-table.ts';
import { SearchedMessage } from './searched-message.ts';
import { foldText } from './text-folding.ts';

export interface SearchOptions extends ReaderContext {
  readonly clock: Clock;
  /** The mailbox's columns, the caller's copy. */
  readonly columns: MessageColumns;
  readonly keywords: readonly string[];
  readonly key: SearchKey;
  /** What the index knows of parts of the key. */
  readonly indexed?: IndexedMatches;
}

/** What a key costs: columns, the summary or email record, the header, the body. */
type Cost = 0 | 1 | 2 | 3;

/** A test of one message; async only where it reads. */
interface Test {
  readonly cost: Cost;
  matches(message: SearchedMessage): boolean | Promise<boolean>;
}

const secondsPerDay = 86_400;

/** UIDs that match, ascending. Refuses a key that is too deep or too large. */
export async function searchMailbox(options: SearchOptions): Promise<Uint32Array> {
  const { columns, key, clock } = options;
  checkSearchKey(key);
  const known = options.indexed?.get(key);
  if (known !== undefined && !known.includes(matchMaybe)) return uidsWhere(known, columns.uids);
  const test = compile(key, options);
  const slicer = new Slicer(clock);
  const found: number[] = [];
  const message = new SearchedMessage(options);
  for (let index = 0; index < columns.uids.length; index++) {
    message.moveTo(index);
    const matched = test.matches(message);
    if (typeof matched === 'boolean' ? matched : await matched) found.push(columns.uids[index]!);
    if ((test.cost > 0 || (index & 255) === 255) && slicer.due()) await slicer.rest();
  }
  return Uint32Array.from(found);
}

function uidsWhere(known: MatchColumn, uids: Uint32Array): Uint32Array {
  const found: number[] = [];
  for (let row = known.indexOf(matchYes); row !== -1; row = known.indexOf(matchYes, row + 1)) {
    found.push(uids[row]!);
  }
  return Uint32Array.from(found);
}

/** Refuses what is too deep or too large to walk. */
export function checkSearchKey(key: SearchKey): void {
  checkSize(key, 0, { keys: 0 });
}

function checkSize(key: SearchKey, depth: number, count: { keys: number }): void {
  if (depth > searchDepthMax || ++count.keys > searchKeysMax) {
    throw new MailError('limitReached', 'the search is too large');
  }
  if (key.type === 'not') checkSize(key.key, depth + 1, count);
  if (key.type === 'and' || key.type === 'or')
    for (const inner of key.keys) checkSize(inner, depth + 1, count);
}

/** The index answers where it can; what it leaves open is read. */
function compile(key: SearchKey, options: SearchOptions): Test {
  const test = compileScan(key, options);
  const column = options.indexed?.get(key);
  if (column === undefined) return test;
  const isOpen = column.includes(matchMaybe);
  return {
    cost: isOpen ? test.cost : 0,
    matches: (message) => {
      const known = column[message.index];
      return known === matchMaybe ? test.matches(message) : known === matchYes;
    },
  };
}

function compileScan(key: SearchKey, options: SearchOptions): Test {
  const { columns } = options;
  switch (key.type) {
    case 'all':
      return { cost: 0, matches: () => true };
    case 'and':
      return combine(key.keys, false, options);
    case 'or':
      return combine(key.keys, true, options);
    case 'not':
      return negate(compile(key.key, options));
    case 'flag':
      return flagTest(key.name, key.set, options);
    case 'uids':
      return { cost: 0, matches: ({ index }) => isInRanges(columns.uids[index]!, key.ranges) };
    case 'largerThan':
      return { cost: 0, matches: ({ index }) => columns.sizes[index]! > key.bytes };
    case 'smallerThan':
      return { cost: 0, matches: ({ index }) => columns.sizes[index]! < key.bytes };
    case 'date':
      return dateTest(key, columns);
    case 'modSeqSince':
      return { cost: 0, matches: ({ index }) => columns.modSeqs[index]! >= key.modSeq };
    case 'emailId':
      return { cost: 0, matches: ({ index }) => columns.emailIds[index] === key.emailId };
    case 'threadId':
      return { cost: 1, matches: async (message) => (await message.threadId()) === key.threadId };
    case 'header': {
      const text = foldText(key.text);
      return { cost: 2, matches: (message) => message.headerMatches(key.field, text) };
    }
    case 'body': {
      const text = foldText(key.text);
      return { cost: 3, matches: (message) => message.bodyMatches(text) };
    }
    case 'text': {
      const text = foldText(key.text);
      return { cost: 3, matches: (message) => message.textMatches(text) };
    }
  }
}

/** And, or: the first inner test that decides ends it, cheap ones are asked first. */
function combine(keys: readonly SearchKey[], decisive: boolean, options: SearchOptions): Test {
  const tests = keys.map((inner) => compile(inner, options)).sort((a, b) => a.cost - b.cost);
  const cost = Math.max(0, ...tests.map((test) => test.cost)) as Cost;
  const from = (message: SearchedMessage, start: number): boolean | Promise<boolean> => {
    for (let index = start; index < tests.length; index++) {
      const matched = tests[index]!.matches(message);
      if (typeof matched !== 'boolean') {
        return matched.then((settled) => (settled === decisive ? decisive : from(message, index + 1)));
      }
      if (matched === decisive) return decisive;
    }
    return !decisive;
  };
  return { cost, matches: (message) => from(message, 0) };
}

function negate(test: Test): Test {
  return {
    cost: test.cost,
    matches(message) {
      const matched = test.matches(message);
      return typeof matched === 'boolean' ? !matched : matched.then((settled) => !settled);
    },
  };
}

function flagTest(name: string, wanted: boolean, { columns, keywords }: SearchOptions): Test {
  const bit = flagBit(name, keywords);
  if (bit === undefined) return { cost: 0, matches: () => !wanted };
  const { flagsLow, flagsHigh } = columns;
  return {
    cost: 0,
    matches: ({ index }) =>
      ((flagsLow[index]! & bit.low) !== 0 || (flagsHigh[index]! & bit.high) !== 0) === wanted,
  };
}

function dateTest(key: SearchKey & { type: 'date' }, columns: MessageColumns): Test {
  const compare = (day: number | undefined): boolean =>
    day !== undefined &&
    (key.compare === 'before' ? day < key.day : key.compare === 'on' ? day === key.day : day >= key.day);
  if (key.of === 'sent') return { cost: 1, matches: async (message) => compare(await message.sentDay()) };
  const seconds = key.of === 'internal' ? columns.internalDates : columns.saveDates;
  return { cost: 0, matches: ({ index }) => compare(Math.floor(seconds[index]! / secondsPerDay)) };
}

/** Ascending inclusive pairs. */
function isInRanges(uid: number, ranges: readonly number[]): boolean {
  let low = 0;
  let high = ranges.length >>> 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle * 2 + 1]! < uid) low = middle + 1;
    else high = middle;
  }
  return low * 2 < ranges.length && ranges[low * 2]! <= uid;
}
