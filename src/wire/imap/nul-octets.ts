// What stands for NUL in plain literals, in which it is not allowed (RFC 9051 4.3.1, and rule 3 of section 9): the octet 0x80, as
// Dovecot sends it. It is one octet too, so that sizes and partial ranges stay true. A literal8 keeps NULs (RFC 3516).
// Deviation: RFC 3516 section 6 wants parts that are binary told as if they were base64. A message is told as it is stored; who
// wants the octets of such a part asks for BINARY. Pure, never fails.

import { asBuffer } from '../../mail/bytes.ts';

const standsForNul = 0x80;

/** The same bytes when there is no NUL in them; else a copy: they may be read by others. */
export function withoutNul(bytes: Uint8Array): Uint8Array {
  const first = asBuffer(bytes).indexOf(0);
  if (first < 0) return bytes;
  const clean = Buffer.from(bytes);
  for (let at = first; at < clean.length; at++) if (clean[at] === 0) clean[at] = standsForNul;
  return clean;
}
