// Comparing text as people do (RFC 5051's aim, i;unicode-casemap): letter case and compatibility forms do not count.
// White space runs count as one space, because folding and line breaks put them anywhere.

const plain = /^[\x20-\x7e]*$/;
const whiteSpace = /\s+/g;

/** The text as it is compared: search for one folded text in another. */
export function foldText(text: string): string {
  const folded = plain.test(text)
    ? text.toLowerCase()
    : text.normalize('NFKD').toLowerCase().replaceAll('ß', 'ss');
  return folded.replace(whiteSpace, ' ');
}
