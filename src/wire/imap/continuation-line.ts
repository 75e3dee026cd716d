// Lines that continue a command and are none themselves: DONE of IDLE, and the client's side of AUTHENTICATE.
// The session takes them off the connection itself; the command reader is not in the middle of anything then.

import { parseBase64 } from './base64.ts';

/** True for DONE, in any letter case; anything else while idling is BAD (RFC 2177). */
export function isDone(line: Buffer): boolean {
  return lineText(line).toUpperCase() === 'DONE';
}

/** A decoded response, `cancelled` for '*' (RFC 9051 6.2.2), undefined when it is not base64. */
export function parseAuthenticateLine(line: Buffer): Buffer | 'cancelled' | undefined {
  const text = lineText(line);
  return text === '*' ? 'cancelled' : parseBase64(text);
}

/**
 * A line as latin1 without its CRLF, or LF: clients that end lines so are let through, nothing in IMAP hangs
 * on it.
 */
export function lineText(line: Buffer): string {
  let end = line.length;
  if (end > 0 && line[end - 1] === 0x0a) end--;
  if (end > 0 && line[end - 1] === 0x0d) end--;
  return line.toString('latin1', 0, end);
}
