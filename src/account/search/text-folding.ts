// Comparing text as people do. For searching: letter case, accents and compatibility forms do not count, so that
// everything i;unicode-casemap (RFC 5051) finds equal is found, and more: RFC 5255 4.2 asks for the collation, people who
// type `resume` ask for `résumé`. White space runs count as one space, because folding and line breaks put them anywhere.
// For ordering: i;unicode-casemap, where accents do count.

/** ASCII, line ends too. */
const plain = /^[\x00-\x7f]*$/;
/** Runs, but not a single space, which most are: what need not be replaced is not matched. */
const whiteSpace = /\s{2,}|[^\S ]/g;
const accents = /[\u0300-\u036f]+/g;

/** The text as it is compared: search for one folded text in another. */
export function foldText(text: string): string {
  return foldWhiteSpace(foldLetters(text));
}

/** The other half of `foldText`. */
export function foldWhiteSpace(text: string): string {
  return text.replace(whiteSpace, ' ');
}

/** The same but for white space: enough to look for what has none. */
export function foldLetters(text: string): string {
  return plain.test(text)
    ? text.toLowerCase()
    : text
        .normalize('NFKD')
        .replace(accents, '')
        .toLowerCase()
        .replaceAll('ß', 'ss')
        .replaceAll('ς', 'σ')
        .replace(accents, '');
}

/** The key of a text by which it is ordered and found equal: RFC 5051 section 2, compared by code units. */
export function collationKey(text: string): string {
  const upper = plain.test(text) ? text.toUpperCase() : text.toUpperCase().normalize('NFKD');
  return upper.replace(whiteSpace, ' ').trim();
}
