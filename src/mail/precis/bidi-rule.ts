// Directions of text: RFC 5893 section 2 for names that hold right-to-left letters, so that what is read is what is meant; and
// the classes by which SASLprep judges (RFC 3454 section 6). Regular expressions have no property for Unicode's Bidi_Class;
// letters have that of their block, so ranges of blocks, which Unicode has set aside for them, tell it also of letters to come.

/** Bidi classes R and AL; marks, numbers and symbols in these blocks are of other classes. */
const rightToLeftBlocks =
  /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const mark = /[\p{Mn}\p{Me}]/u;
const arabicNumber =
  /[\u0600-\u0605\u0660-\u0669\u066b\u066c\u06dd\u0890\u0891\u08e2\u{10d30}-\u{10d39}\u{10e60}-\u{10e7e}]/u;
const europeanNumber =
  /[0-9\u00b2\u00b3\u00b9\u06f0-\u06f9\u2070\u2074-\u2079\u2080-\u2089\uff10-\uff19\u{102e1}-\u{102fb}\u{1d7ce}-\u{1d7ff}\u{1fbf0}-\u{1fbf9}]/u;
const neutralAmongRightToLeft =
  /[\u0606\u0607\u0609\u060a\u060c\u060e\u060f\u066a\u06de\u06e9\u07f6-\u07f9\ufd3e-\ufd4f\ufdcf\ufdfd-\ufdff\u{1091f}\u{10b39}-\u{10b3f}\u{1eef0}\u{1eef1}]/u;
/** ES, CS, ET, ON and BN, as far as names may hold them: printable ASCII, modifier letters, and what depends on context. */
const neutral =
  /[!-/:-@[-`{-~\u00b7\u02b9\u02ba\u02c6-\u02cf\u02ec\u0374\u0375\u200c-\u200d\u2e2f\u30fb\ua67f\ua717-\ua71f\ua788]/;
const letterOrDigit = /[\p{L}\p{Mc}\p{Nl}\p{Nd}]/u;

/** Bidi class R or AL (RFC 3454 table D.1). */
export function isRightToLeft(character: string): boolean {
  if (!rightToLeftBlocks.test(character) || mark.test(character)) return false;
  return !(
    arabicNumber.test(character) ||
    europeanNumber.test(character) ||
    neutralAmongRightToLeft.test(character)
  );
}

/** A letter or digit of Bidi class L (RFC 3454 table D.2). */
export function isLeftToRight(character: string): boolean {
  const isOther = [europeanNumber, arabicNumber, neutral].some((kind) => kind.test(character));
  return letterOrDigit.test(character) && !isOther && !isRightToLeft(character);
}

/**
 * The Bidi rule for a name with right-to-left characters; others keep it whatever they hold (RFC 8264 5.2.5). Rules 5 and 6
 * are for names that begin left to right, which hold none of those characters then.
 */
export function keepsBidiRule(text: string): boolean {
  const characters = [...text];
  const isNumber = (character: string): boolean => europeanNumber.test(character);
  const isArabic = (character: string): boolean => arabicNumber.test(character);
  if (!characters.some((character) => isRightToLeft(character) || isArabic(character))) return true;
  // Rule 1.
  if (!isRightToLeft(characters[0]!)) return false;
  // Rule 2.
  const isAllowed = (character: string): boolean =>
    [mark, europeanNumber, arabicNumber, neutral, neutralAmongRightToLeft].some((kind) =>
      kind.test(character),
    ) || isRightToLeft(character);
  if (!characters.every(isAllowed)) return false;
  // Rule 3.
  const last = characters.findLast((character) => !mark.test(character))!;
  if (!isRightToLeft(last) && !isNumber(last) && !isArabic(last)) return false;
  // Rule 4.
  return !(characters.some(isNumber) && characters.some(isArabic));
}
