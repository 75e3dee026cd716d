// Preparation of strings people type: the same password, typed on two machines, must give the same bytes.
// Two profiles, because two RFCs ask: PLAIN and LOGIN follow PRECIS (RFC 8265 section 4.2, OpaqueString); SCRAM clients
// apply SASLprep (RFC 5802 section 2.2, RFC 4013), so verifiers are made from that.
// Undefined means the string is not allowed: the caller refuses it as it refuses a wrong password.

/** Nobody types more; hashing time must not be the client's to choose. */
export const preparedBytesMax = 1024;

const nonAsciiSpaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
/** RFC 3454 table B.1. */
const mappedToNothing =
  /\u034f|\u200d|[\u180b-\u180d]|[\ufe00-\ufe0f]|[\u00ad\u1806\u200b\u200c\u2060\ufeff]/g;
/** Control, surrogate, private use and unassigned characters: outside of PRECIS' FreeformClass (RFC 8264 4.3). */
const outsideFreeform = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u;
/** RFC 3454 tables C.6 to C.9 as far as the classes above leave them: format, tagging and display characters. */
const outsideSaslPrep =
  /[\u0340\u0341\u200e\u200f\u2028-\u202e\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{e0001}\u{e0020}-\u{e007f}]/u;
const printableAscii = /^[\x20-\x7e]+$/;

/** PRECIS OpaqueString (RFC 8265 section 4.2.2): spaces become U+0020, then NFC; letter case is kept. */
export function opaqueString(text: string): string | undefined {
  if (printableAscii.test(text)) return withinLimit(text);
  return checked(text.replace(nonAsciiSpaces, ' ').normalize('NFC'), outsideFreeform);
}

/** SASLprep (RFC 4013): NFKC and characters removed that are not seen. */
export function saslPrep(text: string): string | undefined {
  if (printableAscii.test(text)) return withinLimit(text);
  const mapped = text.replace(nonAsciiSpaces, ' ').replace(mappedToNothing, '').normalize('NFKC');
  if (outsideSaslPrep.test(mapped) || mixesDirections(mapped)) return undefined;
  return checked(mapped, outsideFreeform);
}

/** RFC 3454 section 6, by script instead of by table D: right-to-left text must begin and end so and hold no Latin. */
function mixesDirections(text: string): boolean {
  if (!rightToLeft.test(text)) return false;
  return leftToRight.test(text) || !wholeRightToLeft.test(text);
}
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u;
const leftToRight = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u;
const wholeRightToLeft =
  /^[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}](?:.*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}])?$/su;

function checked(text: string, outside: RegExp): string | undefined {
  return outside.test(text) ? undefined : withinLimit(text);
}

function withinLimit(text: string): string | undefined {
  if (text === '' || Buffer.byteLength(text) > preparedBytesMax) return undefined;
  return text;
}
