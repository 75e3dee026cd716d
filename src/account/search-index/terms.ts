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

/** Calls back with every term of a folded text, repetitions too. */
export function eachTerm(folded: string, visit: (term: string) => void): void {
  const { length } = folded;
  for (let at = 0; at < length; ) {
    const kind = kinds[folded.charCodeAt(at)]!;
    const start = at++;
    if (kind === separator) continue;
    while (at < length && kinds[folded.charCodeAt(at)] === kind) at++;
    if (kind === word && at - start <= termLengthMax) visit(folded.slice(start, at));
    else if (kind === word) eachChunk(folded, { start, end: at }, visit);
    else if (at - start === 1) visit(folded[start]!);
    else for (let pair = start; pair + 1 < at; pair++) visit(folded.slice(pair, pair + 2));
  }
}

function eachChunk(
  folded: string,
  { start, end }: { start: number; end: number },
  visit: (term: string) => void,
): void {
  for (let at = start; ; at += partLengthMax) {
    visit(folded.slice(at, Math.min(end, at + termLengthMax)));
    if (at + termLengthMax >= end) return;
  }
}

/** What stands around each term in a term table's text, so that a needle can say where a term begins and ends. */
export const termMark = '\n';

/** What messages that may have a text must have: for each needle a term that, between its marks, contains it. */
export interface TermQuery {
  readonly needles: readonly string[];
  /** Every message with them has the text; else only the message's bytes tell. */
  readonly isExact: boolean;
}

/** Undefined: terms say nothing about this text. `folded` is not empty. */
export function termQuery(folded: string): TermQuery | undefined {
  const needles = new Set<string>();
  let isExact = true;
  const { length } = folded;
  for (let at = 0; at < length && needles.size < needlesMax; ) {
    const kind = kinds[folded.charCodeAt(at)]!;
    const start = at++;
    if (kind === separator) {
      isExact = false;
      continue;
    }
    while (at < length && kinds[folded.charCodeAt(at)] === kind) at++;
    if (start > 0 || at < length) isExact = false;
    if (kind === unspaced) {
      if (at - start > 2) isExact = false;
      if (at - start === 1) needles.add(folded[start]!);
      else
        for (let pair = start; pair + 1 < at && needles.size < needlesMax; pair++)
          needles.add(termMark + folded.slice(pair, pair + 2) + termMark);
      continue;
    }
    const isWhole = at - start <= partLengthMax;
    if (!isWhole) isExact = false;
    const begins = start > 0 ? termMark : '';
    const ends = at < length && isWhole ? termMark : '';
    needles.add(begins + folded.slice(start, Math.min(at, start + partLengthMax)) + ends);
  }
  return needles.size === 0 ? undefined : { needles: [...needles], isExact };
}
