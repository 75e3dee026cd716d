// Sequence sets (RFC 9051 sequence-set, seq-range, uid-set): parsed to pairs of numbers, resolved against a
// mailbox's count or UID column by binary search, written in the shortest ascending form.
// Invariant: parsing allocates in proportion to the text (bounded by the line), resolving never to more than
// the mailbox holds, so `1:4294967295` costs nothing. What cannot be parsed is undefined; nothing throws.

/** Stands for `*` in a parsed set; message numbers and UIDs start at 1. */
const star = 0;

/** A set as the client wrote it. */
export interface SequenceSet {
  /** `$`: the saved result of the last SEARCH RETURN (SAVE); `ranges` is empty then (RFC 9051 6.4.4.1). */
  readonly saved: boolean;
  /**
   * Pairs [first, last, first, last …] in the client's order and direction; a lone number is twice itself; 0
   * is `*`.
   */
  readonly ranges: readonly number[];
}

/** `$`. */
const savedSearchResult: SequenceSet = { saved: true, ranges: [] };

/** RFC 9051 nz-number; UIDs are 32-bit. */
const numberMax = 0xffff_ffff;

/** A whole text as a set; undefined when it is none. */
export function parseSequenceSet(text: string): SequenceSet | undefined {
  if (text === '$') return savedSearchResult;
  const ranges: number[] = [];
  let at = 0;
  for (;;) {
    const first = numberAt(text, at);
    if (first < 0) return undefined;
    at = numberEnd(text, at);
    let last = first;
    if (text.charCodeAt(at) === 0x3a) {
      last = numberAt(text, at + 1);
      if (last < 0) return undefined;
      at = numberEnd(text, at + 1);
    }
    ranges.push(first, last);
    if (at === text.length) return { saved: false, ranges };
    if (text.charCodeAt(at) !== 0x2c) return undefined;
    at++;
  }
}

/** The number or star that starts here, -1 when none does or it is out of range. */
function numberAt(text: string, start: number): number {
  if (text.charCodeAt(start) === 0x2a) return star;
  let value = 0;
  for (let at = start; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) break;
    // nz-number has no leading zero, but clients pad and servers take it; zero itself is refused below.
    value = value * 10 + digit;
    if (value > numberMax) return -1;
  }
  return value === 0 ? -1 : value;
}

function numberEnd(text: string, start: number): number {
  if (text.charCodeAt(start) === 0x2a) return start + 1;
  let at = start;
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++;
  return at;
}

/** Whether a set names `*`: QRESYNC's known sets must not (RFC 7162 section 7). */
export function hasStar(set: SequenceSet): boolean {
  return set.ranges.includes(star);
}

/**
 * The set as ascending, non-overlapping, non-adjacent inclusive pairs, `*` being `last` (the highest number in use;
 * 0 for an empty mailbox, where `*` then means nothing). This is the form of SearchKey's uids.
 */
export function sequenceRanges(set: SequenceSet, last: number): number[] {
  const pairs: number[] = [];
  let sorted = true;
  for (let index = 0; index < set.ranges.length; index += 2) {
    const from = set.ranges[index]! || last;
    const to = set.ranges[index + 1]! || last;
    if (from === 0 && to === 0) continue;
    // With an empty mailbox, 5:* is 5 alone: it names no message anyway.
    const low = Math.min(from || to, to || from);
    if (pairs.length > 0 && low <= pairs[pairs.length - 1]! + 1) sorted = false;
    pairs.push(low, Math.max(from, to));
  }
  return sorted ? pairs : mergePairs(pairs);
}

function mergePairs(pairs: readonly number[]): number[] {
  const count = pairs.length / 2;
  const order = new Uint32Array(count);
  for (let index = 0; index < count; index++) order[index] = index;
  order.sort((a, b) => pairs[2 * a]! - pairs[2 * b]!);
  const merged: number[] = [];
  for (const index of order) {
    const low = pairs[2 * index]!;
    const high = pairs[2 * index + 1]!;
    const top = merged.length - 1;
    if (top >= 0 && low <= merged[top]! + 1) merged[top] = Math.max(merged[top]!, high);
    else merged.push(low, high);
  }
  return merged;
}

/**
 * Places (0-based, ascending, each once) in a view of `count` messages that a set of message numbers names.
 * Undefined when it names a number the view has not: the command is BAD (RFC 9051 2.3.1.2). With `lenient` such
 * numbers are passed over instead, as in SEARCH, where naming none is no error.
 */
export function sequenceIndexes(set: SequenceSet, count: number, lenient = false): Uint32Array | undefined {
  if (!lenient && count === 0) return undefined;
  const pairs = sequenceRanges(set, count);
  if (!lenient && pairs.length > 0 && pairs[pairs.length - 1]! > count) return undefined;
  for (let index = 0; index < pairs.length; index++) {
    // Even places are lows: 1-based to 0-based; odd ones highs: inclusive 1-based is exclusive 0-based.
    pairs[index] = index % 2 === 0 ? Math.min(pairs[index]! - 1, count) : Math.min(pairs[index]!, count);
  }
  return expand(pairs);
}

/**
 * Places (0-based, ascending, each once) in the ascending column `uids` whose UID the set names; others are
 * ignored.
 */
export function uidIndexes(set: SequenceSet, uids: Uint32Array): Uint32Array {
  const pairs = sequenceRanges(set, uids.length === 0 ? 0 : uids[uids.length - 1]!);
  let from = 0;
  for (let index = 0; index < pairs.length; index += 2) {
    const low = lowerBound(uids, pairs[index]!, from);
    from =
      pairs[index] === pairs[index + 1]
        ? low + Number(uids[low] === pairs[index])
        : lowerBound(uids, pairs[index + 1]! + 1, low);
    pairs[index] = low;
    pairs[index + 1] = from;
  }
  return expand(pairs);
}

/** The first place from `from` on whose value is not below `value`. */
function lowerBound(column: Uint32Array, value: number, from: number): number {
  let low = from;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (column[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Half-open pairs to all their members. */
function expand(pairs: readonly number[]): Uint32Array {
  let count = 0;
  for (let index = 0; index < pairs.length; index += 2) count += pairs[index + 1]! - pairs[index]!;
  const members = new Uint32Array(count);
  let filled = 0;
  for (let index = 0; index < pairs.length; index += 2)
    for (let place = pairs[index]!; place < pairs[index + 1]!; place++) members[filled++] = place;
  return members;
}

/** Inclusive pairs to a set, as they are. */
export function formatRanges(pairs: readonly number[]): string {
  let text = '';
  for (let at = 0; at < pairs.length; at += 2) {
    if (at > 0) text += ',';
    text += pairs[at] === pairs[at + 1] ? pairs[at] : `${pairs[at]}:${pairs[at + 1]}`;
  }
  return text;
}

/**
 * Numbers to the shortest set that keeps their order: runs of consecutive ones become `first:last`. Ascending input
 * gives the canonical set; COPYUID's two sets stay parallel because order is kept. '' for none: not a set then.
 */
export function formatSequenceSet(numbers: ArrayLike<number>): string {
  let text = '';
  for (let start = 0; start < numbers.length; ) {
    let end = start + 1;
    while (end < numbers.length && numbers[end] === numbers[end - 1]! + 1) end++;
    if (start > 0) text += ',';
    text += numbers[start];
    if (end - start > 1) text += `:${numbers[end - 1]}`;
    start = end;
  }
  return text;
}
