// Secrets that people type: OpaqueString (RFC 8265 section 4.2): every space becomes the ASCII one, then NFC; letter case is
// kept. What may not stand in one (controls, invisible and unassigned characters) makes it none. Two parts, as of names: what
// is stored was judged when it was made, perhaps by another Unicode version, or by less strict rules.

import { isInClass } from './derived-property.ts';

const printableAscii = /^[\x20-\x7e]+$/;
const space = /\p{Zs}/gu;

/** What no secret has ever held: controls, surrogates, private use. */
const neverAllowed = /[\p{Cc}\p{Cs}\p{Co}]/u;

/** The form in which a secret that is typed is compared with those stored; undefined when it can be none of them. */
export function comparedSecret(text: string): string | undefined {
  if (printableAscii.test(text)) return text;
  const form = text.replace(space, ' ').normalize('NFC');
  return form !== '' && !neverAllowed.test(form) ? form : undefined;
}

/** The enforced form; undefined when it may be no new secret. */
export function opaqueString(text: string): string | undefined {
  if (printableAscii.test(text)) return text;
  const form = comparedSecret(text);
  return form !== undefined && isInClass(form, 'freeform') ? form : undefined;
}
