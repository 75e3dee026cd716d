// ESEARCH, SEARCH, SORT and THREAD responses (RFC 9051 7.3.4, RFC 4731, RFC 3501 7.2.5, RFC 5256 4). Lines with CRLF;
// latin1.

import { formatMailboxName, formatString } from './format-string.ts';
import { formatSequenceSet } from './sequence-set.ts';

export interface EsearchMailbox {
  readonly name: string;
  readonly utf8: boolean;
  readonly uidValidity: number;
}

interface Correlated {
  readonly tag: string;
  /** The numbers are UIDs. */
  readonly uid: boolean;
  /** Of the command ESEARCH (RFC 7377 2.1). */
  readonly mailbox?: EsearchMailbox;
}

export interface EsearchResult extends Correlated {
  /** Each is written when it is there; leave min, max and all out when nothing matched. */
  readonly min?: number;
  readonly max?: number;
  readonly count?: number;
  /** Ascending, or in the order of a SORT. */
  readonly all?: Uint32Array;
  /** RFC 9394: the range as it was asked, and what is there of it. */
  readonly partial?: { readonly range: string; readonly numbers: Uint32Array };
  /** RFC 6203: 1 to 100, one a number of `all` or `partial`. */
  readonly relevancy?: readonly number[];
  /** The highest mod-sequence of what is told, when the search asked by MODSEQ (RFC 7162 3.1.10). */
  readonly modSeq?: number;
}

function formatCorrelators({ tag, uid, mailbox }: Correlated): string {
  let text = `* ESEARCH (TAG ${formatString(tag)}`;
  if (mailbox !== undefined) {
    text += ` MAILBOX ${formatMailboxName(mailbox.name, mailbox.utf8)} UIDVALIDITY ${mailbox.uidValidity}`;
  }
  return uid ? `${text}) UID` : `${text})`;
}

export function formatEsearch(result: EsearchResult): string {
  const { partial } = result;
  let text = formatCorrelators(result);
  if (result.min !== undefined) text += ` MIN ${result.min}`;
  if (result.max !== undefined) text += ` MAX ${result.max}`;
  if (result.count !== undefined) text += ` COUNT ${result.count}`;
  if (result.all !== undefined && result.all.length > 0) text += ` ALL ${formatSequenceSet(result.all)}`;
  if (partial !== undefined)
    text += ` PARTIAL (${partial.range} ${formatSequenceSet(partial.numbers) || 'NIL'})`;
  if (result.relevancy !== undefined) text += ` RELEVANCY (${result.relevancy.join(' ')})`;
  if (result.modSeq !== undefined) text += ` MODSEQ ${result.modSeq}`;
  return `${text}\r\n`;
}

/** RFC 5267 4.3: what came to a result or went from it; each set stands at its position (0: in mailbox order). */
interface EsearchChanges extends Correlated {
  readonly removed: readonly ResultRun[];
  readonly added: readonly ResultRun[];
}

export interface ResultRun {
  readonly position: number;
  readonly numbers: readonly number[];
}

export function formatEsearchChanges(told: EsearchChanges): string {
  const runs = (name: string, list: readonly ResultRun[]): string => {
    if (list.length === 0) return '';
    const pairs = list.map(({ position, numbers }) => `${position} ${formatSequenceSet(numbers)}`);
    return ` ${name} (${pairs.join(' ')})`;
  };
  const changes = runs('REMOVEFROM', told.removed) + runs('ADDTO', told.added);
  return `${formatCorrelators(told)}${changes}\r\n`;
}

/** `* SEARCH 2 84 882`, `* SORT 84 2`; the mod-sequence only with matches (RFC 7162 3.1.5). */
export function formatSearch(
  numbers: Uint32Array,
  modSeq?: number,
  name: 'SEARCH' | 'SORT' = 'SEARCH',
): string {
  if (numbers.length === 0) return `* ${name}\r\n`;
  return `* ${name} ${formatNumbers(numbers)}${modSeq === undefined ? '' : ` (MODSEQ ${modSeq})`}\r\n`;
}

/** Digits of the largest UID, and a space. */
const listedBytesMax = 11;

/** With a space between each two. Digits are written from the last one on: `join` looks each number up by name, 1,000 instructions. */
function formatNumbers(numbers: Uint32Array): string {
  const bytes = Buffer.allocUnsafe(numbers.length * listedBytesMax);
  let at = bytes.length;
  for (let index = numbers.length - 1; index >= 0; index--) {
    let rest = numbers[index]!;
    while (rest > 9) {
      const tenth = Math.floor(rest / 10);
      bytes[--at] = 0x30 + rest - tenth * 10;
      rest = tenth;
    }
    bytes[--at] = 0x30 + rest;
    bytes[--at] = 0x20;
  }
  return bytes.toString('latin1', at + 1);
}

/** Pairs in a step of formatThreadSteps, one way or the other: a fraction of a millisecond. */
const stepPairs = 1000;

/** Pairs of depth and number, parents before children; number 0: a parent that is not there. In steps, of which the last gives it. */
export function* formatThreadSteps(pairs: ArrayLike<number>): Generator<undefined, string, void> {
  const siblings = yield* siblingsFollow(pairs);
  /** At each depth how many parentheses are open around a branch: the rest closes when the next one begins. */
  const openAt: number[] = [];
  let text = '* THREAD';
  let open = 0;
  for (let at = 0; at < pairs.length; at += 2) {
    if (at > 0 && at % (2 * stepPairs) === 0) yield undefined;
    const depth = pairs[at]!;
    const number = pairs[at + 1]!;
    const isFirst = depth > 0 && pairs[at - 2] === depth - 1;
    if (isFirst) openAt[depth] = open;
    else {
      const around = depth === 0 ? 0 : openAt[depth]!;
      text += ')'.repeat(open - around);
      open = around;
    }
    if (at === 0 || (isFirst && pairs[at - 1] !== 0)) text += ' ';
    if (!isFirst || siblings[at >>> 1] === 1) {
      text += '(';
      open++;
    }
    if (number !== 0) text += number;
  }
  return `${text}${')'.repeat(open)}\r\n`;
}

/** For each whether another one follows under the same parent. */
function* siblingsFollow(pairs: ArrayLike<number>): Generator<undefined, Uint8Array, void> {
  const follow = new Uint8Array(pairs.length >>> 1);
  const seen: boolean[] = [];
  for (let at = pairs.length - 2; at >= 0; at -= 2) {
    if (at > 0 && at % (2 * stepPairs) === 0) yield undefined;
    const depth = pairs[at]!;
    if (seen[depth] === true) follow[at >>> 1] = 1;
    seen.length = depth + 1;
    seen[depth] = true;
  }
  return follow;
}
