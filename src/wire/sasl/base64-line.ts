// How SMTP, IMAP and POP3 carry SASL messages: one base64 line each way (RFC 4954 section 4, RFC 9051 6.2.2, RFC 5034).
// Strict: the alphabet, the padding and the unused bits must be right, so that one message has one form.
// Anything else is 'invalid', and the speaker ends the exchange with its syntax error.

import { saslLineBytesMax } from './sasl.ts';

export type SaslLine =
  | { readonly type: 'message'; readonly bytes: Buffer }
  /** '*': the client gives up; the speaker answers with its "cancelled" error. */
  | { readonly type: 'cancelled' }
  | { readonly type: 'invalid' };

const invalid: SaslLine = { type: 'invalid' };
const cancelled: SaslLine = { type: 'cancelled' };

/** A client's response line, without or with its line end. Latin1 text or bytes. */
export function parseSaslLine(line: string | Buffer): SaslLine {
  if (line.length > saslLineBytesMax) return invalid;
  let text = typeof line === 'string' ? line : line.toString('latin1');
  if (text.endsWith('\n')) text = text.slice(0, text.endsWith('\r\n') ? -2 : -1);
  if (text === '*') return cancelled;
  const bytes = decodeStrictBase64(text);
  return bytes === undefined ? invalid : { type: 'message', bytes };
}

/** The initial response of AUTH or AUTHENTICATE; a single '=' stands for a present but empty one. */
export function parseSaslInitialResponse(text: string): SaslLine {
  if (text === '=') return { type: 'message', bytes: Buffer.alloc(0) };
  // '' would be no initial response at all, and '*' cancels nothing before it began.
  if (text === '' || text === '*') return invalid;
  return parseSaslLine(text);
}

/** The base64 of a challenge, without prefix ("334 ", "+ ") and line end. */
export function formatSaslLine(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** Undefined unless `text` is exactly what an encoder would have written (RFC 4648 sections 3.3 and 3.5). */
export function decodeStrictBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
