// Words of folded text, and what a search asks of words. A run of word characters is one term, whatever a dictionary says:
// then a text without separators is in a message exactly when it is inside one of its terms, and no byte of the message
// need be read to know. Scripts that are written without spaces (CJK, Thai, emoji) give pairs of characters instead.
// Invariant: the split looks at nothing but the characters, so what the index and a search make of a text agree.

/** Runs longer than this (encoded data, identifiers) become several terms that overlap. */
const termLengthMax = 64;
/** What is looked for inside a term may have this many characters: the overlap holds it whole. */
const partLengthMax = 32;
/** A text of more words is narrowed by its first ones. */
const needlesMax = 32;
/** Of repeated words too: each step reads its list again. */
const stepsMax = 64;

const separator = 0;
const word = 1;
const unspaced = 2;

const unspacedRanges: readonly (readonly [number, number])[] = [
  [0x0e00, 0x0eff], // Thai, Lao
  [0x1000, 0x109f], // Myanmar
  [0x1780, 0x17ff], // Khmer
  [0x2e80, 0x2fff], // radicals
  [0x3005, 0x3007],
  [0x3021, 0x3029],
  [0x3031, 0x30ff], // kana
  [0x31a0, 0x31ff],
  [0x3400, 0x9fff], // Han
  [0xd800, 0xdfff], // halves of everything beyond the first plane, emoji too
  [0xf900, 0xfaff],
];
/** All white space among them: folding makes spaces of it. */
const separatorRanges: readonly (readonly [number, number])[] = [
  [0x00, 0x2f],
  [0x3a, 0x40],
  [0x5b, 0x5e],
  [0x60, 0x60],
  [0x7b, 0xbf],
  [0xd7, 0xd7],
  [0xf7, 0xf7],
  [0x1680, 0x1680],
  [0x2000, 0x2bff], // punctuation, arrows, symbols
  [0x3000, 0x3020],
  [0xfe10, 0xfe6f],
  [0xfeff, 0xfeff],
  [0xfff0, 0xffff],
];

/** What each UTF-16 unit is. */
const kinds: Uint8Array = (() => {
  const table = new Uint8Array(65_536).fill(word);
  for (const [first, last] of unspacedRanges) table.fill(unspaced, first, last + 1);
  for (const [first, last] of separatorRanges) table.fill(separator, first, last + 1);
  return table;
})();

/** Takes a text apart: its terms, and what stands between two of them. */
export interface TermVisitor {
  term(term: string): void;
  /**
   * Between two terms, not for neighbouring pairs of one unspaced run. '' when nothing stands there. `isBetweenWords`:
   * both are words, as nearly always.
   */
  gap(raw: string, isBetweenWords: boolean): void;
}

/** Visits all of a folded text in order, repetitions too; not what stands before its first and after its last term. In steps. */
export class TermWalk {
  readonly #folded: string;
  readonly #visitor: TermVisitor;
  #at = 0;
  #gapStart = -1;
  #before = separator;

  constructor(folded: string, visitor: TermVisitor) {
    this.#folded = folded;
    this.#visitor = visitor;
  }

  /** Visits what begins in the next so many characters. False: that was the end. */
  advance(characters: number): boolean {
    const folded = this.#folded;
    const visitor = this.#visitor;
    const { length } = folded;
    const until = Math.min(length, this.#at + characters);
    let gapStart = this.#gapStart;
    let before = this.#before;
    let at = this.#at;
    while (at < until) {
      const kind = kinds[folded.charCodeAt(at)]!;
      const start = at++;
      if (kind === separator) continue;
      while (at < length && kinds[folded.charCodeAt(at)] === kind) at++;
      if (gapStart >= 0) visitor.gap(folded.slice(gapStart, start), before === word && kind === word);
      gapStart = at;
      before = kind;
      if (kind === word && at - start <= termLengthMax) visitor.term(folded.slice(start, at));
      else if (kind === word) eachChunk(folded, { start, end: at }, visitor);
      else if (at - start === 1) visitor.term(folded[start]!);
      else for (let pair = start; pair + 1 < at; pair++) visitor.term(folded.slice(pair, pair + 2));
    }
    this.#gapStart = gapStart;
    this.#before = before;
    this.#at = at;
    return at < length;
  }
}

function eachChunk(
  folded: string,
  { start, end }: { start: number; end: number },
  visitor: TermVisitor,
): void {
  for (let at = start; ; at += partLengthMax) {
    visitor.term(folded.slice(at, Math.min(end, at + termLengthMax)));
    if (at + termLengthMax >= end) return;
    visitor.gap('', false);
  }
}

/** What stands around each term in a term table's text, so that a needle can say where a term begins and ends. */
export const termMark = '\n';

/** One of the terms that, between their marks, contain `needle`; or just this between two terms. */
export type SequenceStep = { readonly needle: string } | { readonly gap: string };

/** What messages that may have a text must have: for each needle a term that, between its marks, contains it. */
export interface TermQuery {
  readonly needles: readonly string[];
  /** Every message with them has the text; else their positions, or only the message's bytes tell. */
  readonly isExact: boolean;
  /** What must stand in a row in one of the message's texts, few steps; undefined: positions do not tell more. */
  readonly sequence: readonly SequenceStep[] | undefined;
  /** Every message with the sequence has the text. */
  readonly isSequenceExact: boolean;
}

/** Longer ones have a position, but are not told apart. */
export const gapLengthMax = 16;

/** Undefined: terms say nothing about this text. `folded` is not empty. */
export function termQuery(folded: string): TermQuery | undefined {
  const needles = new Set<string>();
  const steps: SequenceStep[] = [];
  let isSequence = true;
  let isExact = true;
  const { length } = folded;
  let ended = -1;
  let before = separator;
  let at = 0;
  while (at < length && needles.size < needlesMax && steps.length < stepsMax) {
    const kind = kinds[folded.charCodeAt(at)]!;
    const start = at++;
    if (kind === separator) continue;
    while (at < length && kinds[folded.charCodeAt(at)] === kind) at++;
    const run = runNeedles(folded, { start, end: at, isWord: kind === word });
    const gap = ended < 0 ? ' ' : folded.slice(ended, start);
    if (ended >= 0 && !(gap === ' ' && before === word && kind === word)) steps.push({ gap });
    for (const needle of run.needles) {
      needles.add(needle);
      steps.push({ needle });
    }
    isSequence &&= run.isWhole && gap.length <= gapLengthMax;
    isExact = run.isWhole && run.needles.length === 1 && start === 0 && at === length;
    ended = at;
    before = kind;
  }
  if (needles.size === 0) return undefined;
  const first = folded.charCodeAt(0);
  const isSequenceExact = at >= length && ended === length && kinds[first] !== separator;
  const sequence = isSequence && steps.length > 1 ? steps : undefined;
  return { needles: [...needles], isExact, sequence, isSequenceExact };
}

/** What contains a run that is looked for: it begins and ends where the run does, unless that is the text's own end. */
function runNeedles(
  folded: string,
  { start, end, isWord }: { start: number; end: number; isWord: boolean },
): { readonly needles: readonly string[]; readonly isWhole: boolean } {
  if (!isWord && end - start > 1) {
    const pairs = Math.min(end - start - 1, needlesMax);
    const needles = Array.from(
      { length: pairs },
      (_, pair) => termMark + folded.slice(start + pair, start + pair + 2) + termMark,
    );
    return { needles, isWhole: pairs === end - start - 1 };
  }
  const isWhole = end - start <= partLengthMax;
  const begins = start > 0 ? termMark : '';
  const ends = end < folded.length && isWhole ? termMark : '';
  const needle = begins + folded.slice(start, Math.min(end, start + partLengthMax)) + ends;
  return { needles: [needle], isWhole };
}
