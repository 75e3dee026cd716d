// What may stand in names and secrets that people type: the two string classes of PRECIS (RFC 8264 section 4), each code
// point judged by its Unicode properties (sections 8 and 9), those that depend on their neighbours by contextual-rule.ts.
// Derived from the Unicode version of the JavaScript engine: what that does not know is unassigned, and refused.

import { isInContext } from './contextual-rule.ts';

/** identifier: names, of letters and digits of all scripts and printable ASCII. freeform: also spaces, symbols and the like. */
export type StringClass = 'identifier' | 'freeform';

/** `freeform`: allowed in that class only. */
export type DerivedProperty =
  | 'valid'
  | 'freeform'
  | 'contextual'
  | 'disallowed'
  /** Not known to this Unicode version. */
  | 'unassigned';

/** RFC 5892 2.6, which RFC 8264 9.6 takes over. */
const exceptionsValid = /[\u00df\u03c2\u06fd\u06fe\u0f0b\u3007]/;
const exceptionsContextual = /[\u00b7\u0375\u05f3\u05f4\u30fb\u0660-\u0669\u06f0-\u06f9]/;
const exceptionsDisallowed = /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/;

const noncharacter = /\p{Noncharacter_Code_Point}/u;
const unassigned = /\p{Cn}/u;
const printableAscii = /[\x21-\x7e]/;
const joinControl = /\p{Join_Control}/u;
/** Conjoining jamo: Hangul_Syllable_Type L, V or T. */
const oldHangulJamo = /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]/;
const ignorable = /\p{Default_Ignorable_Code_Point}/u;
const letterOrDigit = /[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]/u;
const otherPrintable = /[\p{Lt}\p{Nl}\p{No}\p{Me}\p{Zs}\p{S}\p{P}]/u;

/** RFC 8264 section 8: the first that fits. `character` is one code point. */
export function derivedProperty(character: string): DerivedProperty {
  if (exceptionsValid.test(character)) return 'valid';
  if (exceptionsContextual.test(character)) return 'contextual';
  if (exceptionsDisallowed.test(character)) return 'disallowed';
  if (unassigned.test(character)) return noncharacter.test(character) ? 'disallowed' : 'unassigned';
  if (printableAscii.test(character)) return 'valid';
  if (joinControl.test(character)) return 'contextual';
  if (oldHangulJamo.test(character) || ignorable.test(character)) return 'disallowed';
  if (/\p{Cc}/u.test(character)) return 'disallowed';
  if (character.normalize('NFKC') !== character) return 'freeform';
  if (letterOrDigit.test(character)) return 'valid';
  return otherPrintable.test(character) ? 'freeform' : 'disallowed';
}

export function isInClass(text: string, stringClass: StringClass): boolean {
  const characters = [...text];
  return characters.every((character, index) => {
    const property = derivedProperty(character);
    if (property === 'contextual') return isInContext(characters, index);
    return property === 'valid' || property === stringClass;
  });
}
