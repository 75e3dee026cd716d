// Header fields that we add to messages: Return-Path, Received, Date, Message-ID. Always whole lines with CRLF.
//
// Invariant: whatever the values hold, one call gives exactly one field: line breaks and control characters of values
// become spaces, so that nothing a client says can start a field of its own.

import { type Address, formatAddress } from './address.ts';
import { formatDate } from './date.ts';

/** RFC 5322 2.1.1: lines should not be longer; they are folded at white space. */
const lineLengthMax = 78;

/** `Name: value`, folded at its spaces where lines get long, with CRLF. */
export function headerField(name: string, value: string): string {
  const words = value
    .replace(/[\x00-\x20\x7f]+/g, ' ')
    .trim()
    .split(' ');
  let field = `${name}:`;
  let lineLength = field.length;
  for (const word of words) {
    if (lineLength + 1 + word.length > lineLengthMax && lineLength > name.length + 1) {
      field += '\r\n\t';
      lineLength = 8;
    } else {
      field += ' ';
      lineLength++;
    }
    field += word;
    lineLength += word.length;
  }
  return `${field}\r\n`;
}

/** RFC 5321 4.4: the reverse path, `<>` for bounces. */
export function returnPathField(sender: Address | undefined): string {
  return `Return-Path: <${sender === undefined ? '' : clean(formatAddress(sender))}>\r\n`;
}

export interface ReceivedField {
  /** What the client called itself in EHLO. */
  readonly heloName: string;
  /** The client's IP address, without brackets. */
  readonly remoteAddress: string;
  /** The client's name in the DNS, verified; undefined when unknown. */
  readonly remoteName?: string | undefined;
  readonly byName: string;
  /** RFC 3848, RFC 6531: ESMTPSA, LMTP, UTF8SMTP … */
  readonly protocol: string;
  readonly id: string;
  /** As "TLS_AES_256_GCM_SHA384 TLSv1.3"; undefined without TLS. */
  readonly tls?: string | undefined;
  /** Only when there is exactly one recipient: others must not be disclosed (RFC 5321 7.2). */
  readonly forAddress?: Address | undefined;
  readonly unixSeconds: number;
}

/** The trace field of RFC 5321 4.4. */
export function receivedField(trace: ReceivedField): string {
  const address = trace.remoteAddress.includes(':') ? `IPv6:${trace.remoteAddress}` : trace.remoteAddress;
  const remote = trace.remoteName === undefined ? `[${address}]` : `${token(trace.remoteName)} [${address}]`;
  const recipient = trace.forAddress === undefined ? '' : ` for <${clean(formatAddress(trace.forAddress))}>`;
  const tls = trace.tls === undefined ? '' : ` (${comment(trace.tls)})`;
  const value =
    `from ${token(trace.heloName)} (${comment(remote)}) by ${token(trace.byName)} with ${token(trace.protocol)}` +
    `${tls} id ${token(trace.id)}${recipient}; ${formatDate(trace.unixSeconds)}`;
  return headerField('Received', value);
}

export function dateField(unixSeconds: number, zoneMinutes = 0): string {
  return `Date: ${formatDate(unixSeconds, zoneMinutes)}\r\n`;
}

/** `unique` is to be unlike any other; letters, digits, dots and dashes. */
export function messageIdField(unique: string, domain: string): string {
  return `Message-ID: <${token(unique)}@${token(domain)}>\r\n`;
}

function clean(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ');
}

/** A word that ends no comment, starts no address and holds no space. */
function token(text: string): string {
  const word = text.replace(/[\x00-\x20\x7f()<>;,"\\]+/g, '_');
  return word === '' ? 'unknown' : word;
}

function comment(text: string): string {
  return clean(text).replace(/[()\\]/g, '_');
}
