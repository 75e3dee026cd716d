// One command line of SMTP or LMTP (RFC 5321 4.1.1): the verb and the rest, as text. Strict at the edges, where
// smuggling starts: only CRLF ends a line, and control characters, NUL among them, are in none.

import { SmtpSyntaxError } from './smtp-syntax-error.ts';

/**
 * RFC 5321 4.5.3.1.4 asks for 512; extensions add to it (RFC 1870, 3461, 6531), and AUTH with an initial response needs
 * the most (RFC 4954 4 asks for 12,288).
 */
export const commandLineBytesMax = 12_288;

export interface CommandLine {
  /** Upper case. */
  readonly verb: string;
  /** What follows the verb and a blank, blanks at the end dropped. UTF-8 decoded when it was UTF-8. */
  readonly argument: string;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const controls = /[\x00-\x08\x0a-\x1f\x7f]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (controls.test(text)) throw new SmtpSyntaxError('500 5.5.2', 'Control characters are not allowed');
  if (!/[\x80-\xff]/.test(text)) return text;
  try {
    const decoded = utf8.decode(bytes);
    // RFC 5198 2: C1 controls and line separators; some readers end lines at them, and what stands here goes into headers.
    if (/[\x80-\x9f\u2028\u2029]/.test(decoded)) {
      throw new SmtpSyntaxError('500 5.5.2', 'Control characters are not allowed');
    }
    return decoded;
  } catch (cause) {
    // TextDecoder tells of bad UTF-8 only by throwing (RFC 6531 3.3 allows UTF-8 and nothing else).
    if (!(cause instanceof TypeError)) throw cause;
    throw new SmtpSyntaxError('500 5.5.2', 'Neither ASCII nor UTF-8');
  }
}

/** Splits a line given with its line end. Throws SmtpSyntaxError. */
export function parseCommandLine(line: Buffer): CommandLine {
  const end = line.length - 2;
  if (end < 0 || line[end] !== carriageReturn || line[end + 1] !== lineFeed) {
    throw new SmtpSyntaxError('500 5.5.2', 'Lines end with CR LF');
  }
  const text = decode(line.subarray(0, end));
  const blank = text.indexOf(' ');
  if (blank < 0) return { verb: text.toUpperCase(), argument: '' };
  return { verb: text.slice(0, blank).toUpperCase(), argument: text.slice(blank + 1).trimEnd() };
}
