// The header of a message with raw UTF-8 in it, for a client that did not ask for UTF-8 mode: RFC 6856 section 2.1 wants a
// surrogate or a refusal, and a refusal would leave the client stuck on that message. Words with non-ASCII octets
// become encoded-words (RFC 2047), so that programs show what was meant; addresses with such octets become
// unanswerable ('?' for each octet), as RFC 6858 allows. Only the top header is looked at; parts' headers go as they are.

import { isUtf8 } from 'node:buffer';

const nonAscii = /[\x80-\xff]/;
/**
 * Quoted strings whole, else runs up to a blank or a special. The bound on quoted strings keeps a header of
 * quotes that are never closed linear.
 */
const words = /"(?:[^"\\\r\n]|\\[^\r\n]){0,1000}"|[^\s"<>(),;]+/g;
/** RFC 2047 section 2: 75 characters an encoded-word; 45 octets make 60 of base64, plus 12 around. */
const encodedBytesMax = 45;

/** Where the header ends (behind its empty line) in latin1 text; -1 when the text holds no end of it. */
export function headerEnd(text: string): number {
  if (text.startsWith('\r\n')) return 2;
  if (text.startsWith('\n')) return 1;
  const match = /\r?\n\r?\n/.exec(text);
  return match === null ? -1 : match.index + match[0].length;
}

/** The header without non-ASCII octets; itself when it has none. Latin1 text in and out. */
export function surrogateHeader(header: string): string {
  if (!nonAscii.test(header)) return header;
  const replaced = header.replace(words, (word) => (nonAscii.test(word) ? surrogateWord(word) : word));
  return replaced.replace(/[\x80-\xff]/g, '?');
}

function surrogateWord(word: string): string {
  if (word.includes('@')) return word.replace(/[\x80-\xff]/g, '?');
  const content = word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/gs, '$1') : word;
  const bytes = Buffer.from(content, 'latin1');
  const charset = isUtf8(bytes) ? 'utf-8' : 'iso-8859-1';
  const encoded: string[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = charset === 'utf-8' ? characterEnd(bytes, start) : start + encodedBytesMax;
    encoded.push(`=?${charset}?B?${bytes.toString('base64', start, end)}?=`);
    start = end;
  }
  return encoded.join(' ');
}

/** At most encodedBytesMax behind `start`, not within a character (RFC 2047 section 5). */
function characterEnd(bytes: Buffer, start: number): number {
  let end = Math.min(start + encodedBytesMax, bytes.length);
  while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return end;
}
