// Names of users: UsernameCaseMapped (RFC 8265 section 3.3). Two parts, because what is stored was judged when it was made: the
// form in which a name is compared, which every text has, and whether a text may be a name at all.
// Invariant: the form of a form is itself. Linear in the text, but for the bounded ones that hold joiners.

import { keepsBidiRule } from './bidi-rule.ts';
import { isInClass } from './derived-property.ts';

const ascii = /^[\x00-\x7f]*$/;
/** Fullwidth and halfwidth forms whose mapping is one plain character; the others are disallowed in names anyway. */
const widthForms = /[\uff01-\uff9f\uffe0-\uffe2\uffe4-\uffe6\uffe8-\uffee]/g;
/** RFC 8264 section 7: a text that is not stable after the first and three more rounds is rejected. */
const roundsMax = 4;

/** Width mapping, lower case, NFC. */
export function comparedUsername(text: string): string {
  if (ascii.test(text)) return text.toLowerCase();
  let form = mapped(text);
  for (let round = 1; round < roundsMax; round++) {
    const next = mapped(form);
    if (next === form) break;
    form = next;
  }
  return form;
}

function mapped(text: string): string {
  const plain = text.replace(widthForms, (form) => form.normalize('NFKC'));
  return plain.toLowerCase().normalize('NFC');
}

/** The enforced form; undefined when it may be no name: words of letters, digits and printable ASCII, with single spaces between. */
export function usernameCaseMapped(text: string): string | undefined {
  const form = comparedUsername(text);
  if (comparedUsername(form) !== form) return undefined;
  return form.split(' ').every(isUserPart) ? form : undefined;
}

function isUserPart(part: string): boolean {
  return part !== '' && isInClass(part, 'identifier') && keepsBidiRule(part);
}
