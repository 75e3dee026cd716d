// Characters that are allowed beside certain others only (RFC 5892 appendix A): invisible joiners where a script needs them,
// dots between letters, digits of two kinds that look alike. Pure; a character without a rule is in no context.

import { joinsBackward, joinsForward } from './joining-letters.ts';

type ContextualRule = (characters: readonly string[], index: number) => boolean;

const hebrew = /\p{Script=Hebrew}/u;
const japanese = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u;

/** A.8, A.9: both kinds of Arabic digits are not mixed. */
const arabicDigit = /[\u0660-\u0669]/;
const extendedArabicDigit = /[\u06f0-\u06f9]/;

const rules: ReadonlyMap<string, ContextualRule> = new Map<string, ContextualRule>([
  // A.1, zero width non-joiner.
  [
    '\u200c',
    (characters, index) =>
      isVirama(characters[index - 1]) ||
      (joinsForward.test(characters.slice(0, index).join('')) &&
        joinsBackward.test(characters.slice(index + 1).join(''))),
  ],
  // A.2, zero width joiner.
  ['\u200d', (characters, index) => isVirama(characters[index - 1])],
  // A.3, middle dot: Catalan.
  ['\u00b7', (characters, index) => characters[index - 1] === 'l' && characters[index + 1] === 'l'],
  // A.4, Greek keraia.
  ['\u0375', (characters, index) => /\p{Script=Greek}/u.test(characters[index + 1] ?? '')],
  // A.5, A.6, Hebrew geresh and gershayim.
  ['\u05f3', (characters, index) => hebrew.test(characters[index - 1] ?? '')],
  ['\u05f4', (characters, index) => hebrew.test(characters[index - 1] ?? '')],
  // A.7, katakana middle dot.
  ['\u30fb', (characters) => characters.some((character) => japanese.test(character))],
]);

/** Whether the character at `index` may stand where it does. */
export function isInContext(characters: readonly string[], index: number): boolean {
  const character = characters[index]!;
  if (arabicDigit.test(character)) return !characters.some((other) => extendedArabicDigit.test(other));
  if (extendedArabicDigit.test(character)) return !characters.some((other) => arabicDigit.test(other));
  return rules.get(character)?.(characters, index) === true;
}

const combiningClass8 = '\u3099';
const combiningClass10 = '\u05b0';

/**
 * Canonical combining class 9. Nothing tells the class but the order that normalisation gives marks: one of class 9 goes
 * behind one of class 8 and before one of class 10.
 */
function isVirama(character: string | undefined): boolean {
  if (character === undefined || character === combiningClass8 || character === combiningClass10)
    return false;
  const behind = (character + combiningClass8).normalize('NFD') === combiningClass8 + character;
  return behind && (combiningClass10 + character).normalize('NFD') === character + combiningClass10;
}
