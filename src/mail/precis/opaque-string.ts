// Secrets that people type: OpaqueString (RFC 8265 section 4.2): every space becomes the ASCII one, then NFC; letter case is
// kept. What may not stand in one (controls, invisible and unassigned characters) makes it none.

import { isInClass } from './derived-property.ts';

const printableAscii = /^[\x20-\x7e]+$/;
const space = /\p{Zs}/gu;

/** The enforced form; undefined when it may be no secret. */
export function opaqueString(text: string): string | undefined {
  if (printableAscii.test(text)) return text;
  const form = text.replace(space, ' ').normalize('NFC');
  return form !== '' && isInClass(form, 'freeform') ? form : undefined;
}
