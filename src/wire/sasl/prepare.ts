// Preparation of strings people type: the same password, typed on two machines, must give the same bytes.
// Two profiles, because two RFCs ask: PLAIN and LOGIN follow PRECIS (RFC 8265 section 4.2, OpaqueString: mail/precis); SCRAM
// clients apply SASLprep (RFC 5802 section 2.2, RFC 4013), so verifiers are made from that. SASLprep's tables are those of
// Unicode 3.2; here they are the JavaScript engine's, as clients have it: what 3.2 did not know is prepared by them too.
// Undefined means the string is not allowed: the caller refuses it as it refuses a wrong password.

import { isLeftToRight, isRightToLeft } from '../../mail/precis/bidi-rule.ts';
import { comparedSecret, opaqueString as enforced } from '../../mail/precis/opaque-string.ts';

/** Nobody types more; hashing time must not be the client's to choose. */
export const preparedBytesMax = 1024;

const nonAsciiSpaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
/** RFC 3454 table B.1. */
const mappedToNothing =
  /\u034f|\u200d|[\u180b-\u180d]|[\ufe00-\ufe0f]|[\u00ad\u1806\u200b\u200c\u2060\ufeff]/g;
/** RFC 3454 tables A.1 and C.2 to C.9: control, surrogate, private use, unassigned, format, tagging and display characters. */
const prohibited =
  /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
const printableAscii = /^[\x20-\x7e]+$/;

/** PRECIS OpaqueString, within the limit: what a new password may be. */
export function opaqueString(text: string): string | undefined {
  return prepared(text, enforced);
}

/** The form in which what somebody typed is compared: he may have had it before it was no longer allowed. */
export function comparedString(text: string): string | undefined {
  return prepared(text, comparedSecret);
}

function prepared(text: string, form: (text: string) => string | undefined): string | undefined {
  const whole = withinLimit(text);
  const formed = whole === undefined ? undefined : form(whole);
  return formed === undefined ? undefined : withinLimit(formed);
}

/** SASLprep (RFC 4013): NFKC and characters removed that are not seen. */
export function saslPrep(text: string): string | undefined {
  if (printableAscii.test(text)) return withinLimit(text);
  const mapped = text.replace(nonAsciiSpaces, ' ').replace(mappedToNothing, '').normalize('NFKC');
  return prohibited.test(mapped) || mixesDirections(mapped) ? undefined : withinLimit(mapped);
}

/** RFC 3454 section 6: right-to-left text must begin and end so and hold no letter that is written left to right. */
function mixesDirections(text: string): boolean {
  const characters = [...text];
  if (!characters.some(isRightToLeft)) return false;
  return (
    characters.some(isLeftToRight) || !isRightToLeft(characters[0]!) || !isRightToLeft(characters.at(-1)!)
  );
}

function withinLimit(text: string): string | undefined {
  if (text === '' || Buffer.byteLength(text) > preparedBytesMax) return undefined;
  return text;
}
