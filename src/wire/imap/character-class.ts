// Which octets may stand where (RFC 9051 section 9): one table lookup a character.

/** ATOM-CHAR: no specials, no controls, 7-bit. */
export const atomCharacter = 1;
/** ASTRING-CHAR: ATOM-CHAR and ']'. */
export const astringCharacter = 2;
/** ASTRING-CHAR without '+'. */
export const tagCharacter = 4;
/** list-char: ATOM-CHAR, wildcards and ']'. */
export const listCharacter = 8;
/** Digits, ':', ',', '*' and '$'. */
export const sequenceCharacter = 16;
/**
 * May stand unescaped in a quoted string: no NUL, CR, LF, '"' or '\'. 8-bit counts: UTF-8 is checked apart.
 */
export const quotedCharacter = 32;
/** Letters, digits and '.': the names of FETCH items, which end before '[' and '<' though atoms do not. */
export const itemCharacter = 64;

/** Bit set of the classes above for each octet. */
export const characterClasses: Uint8Array = (() => {
  const classes = new Uint8Array(256);
  for (let octet = 0; octet < 256; octet++) {
    let bits = 0;
    const character = String.fromCharCode(octet);
    const printable = octet > 0x20 && octet < 0x7f;
    const isAtom = printable && !'(){%*"\\]'.includes(character);
    if (isAtom) bits |= atomCharacter;
    if (isAtom || character === ']') {
      bits |= astringCharacter;
      if (character !== '+') bits |= tagCharacter;
    }
    if (isAtom || ']%*'.includes(character)) bits |= listCharacter;
    if ('0123456789:,*$'.includes(character)) bits |= sequenceCharacter;
    if (octet !== 0 && octet !== 0x0d && octet !== 0x0a && !'"\\'.includes(character))
      bits |= quotedCharacter;
    if (/[A-Za-z0-9.]/.test(character)) bits |= itemCharacter;
    classes[octet] = bits;
  }
  return classes;
})();

/** Whether all characters of a latin1 string are of the class; false for ''. */
export function isAll(text: string, classBit: number): boolean {
  for (let index = 0; index < text.length; index++) {
    const octet = text.charCodeAt(index);
    if (octet > 0xff || (characterClasses[octet]! & classBit) === 0) return false;
  }
  return text.length > 0;
}
