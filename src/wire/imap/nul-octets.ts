// What stands for NUL in plain literals, in which it is not allowed (RFC 9051 4.3.1, and rule 3 of section 9): the octet 0x80, as
// Dovecot sends it. It is one octet too, so that sizes and partial ranges stay true. A literal8 keeps NULs (RFC 3516).
// Binary parts that come in a literal8 are stored in base64 (without-binary-parts.ts), so that none of this is needed for them.
// Deviation: RFC 3516 section 6 wants all parts that are binary told as if they were base64. Those that came in a plain literal (where
// RFC 9051 allows no NUL) or by SMTP (BINARYMIME, RFC 3030), and those inside multipart/signed, whose signature is of the octets as
// they came, are told as they are stored, with 0x80 for NUL. Who wants their octets asks for BINARY. Pure, never fails.

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
