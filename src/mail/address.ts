// Mail addresses as SMTP has them: `local-part@domain` (RFC 5321 4.1.2, RFC 6531 for Unicode). Parsed strictly:
// what this accepts goes into routing and storage. Header fields with whole lists of them, and broken ones, are
// address-list.ts's.

import { domainToASCII, domainToUnicode } from 'node:url';
import { comparedUsername, usernameCaseMapped } from './precis/username.ts';

/** `localPart` without quotes; `domain` in lower case A-labels ("xn--…"), or an address literal "[192.0.2.1]". */
export interface Address {
  readonly localPart: string;
  readonly domain: string;
}

/** RFC 5321 4.5.3.1.1, in octets. */
const localPartBytesMax = 64;
/** RFC 5321 4.5.3.1.2, in octets. */
const domainBytesMax = 255;
/** RFC 5321 4.5.3.1.3 is 256 with its brackets; a Unicode domain may be longer before it becomes A-labels. */
const addressLengthMax = 1024;

/** RFC 5322 atext, plus all of UTF-8 (RFC 6531 3.3) but control characters, white space and lone surrogates. */
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u00a1-\\ud7ff\\uf900-\\uffef\\u{10000}-\\u{10ffff}]+";
const dotString = new RegExp(`^${atom}(?:\\.${atom})*$`, 'u');
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
const ipv4Literal = /^\[(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\]$/;
const ipv6Literal = /^\[ipv6:[0-9a-f:.]{2,45}\]$/;
const unsafeInQuotes = /[\x00-\x1f\x7f-\x9f\ud800-\udfff]/u;

/** Parses an addr-spec without brackets or display name; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > addressLengthMax) return undefined;
  const at = text.lastIndexOf('@');
  if (at <= 0) return undefined;
  const domain = parseDomain(text.slice(at + 1));
  if (domain === undefined) return undefined;
  const localPart = parseLocalPart(text.slice(0, at));
  return localPart === undefined ? undefined : { localPart, domain };
}

/** The local part's text, quotes and escapes taken off; undefined when it is malformed or too long. */
export function parseLocalPart(text: string): string | undefined {
  const isQuoted = text.startsWith('"');
  const content = isQuoted ? unquoted(text) : dotString.test(text) ? text : undefined;
  if (content === undefined || content === '' || Buffer.byteLength(content) > localPartBytesMax)
    return undefined;
  return content;
}

function unquoted(text: string): string | undefined {
  let content = '';
  for (let index = 1; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"')
      return index === text.length - 1 && !unsafeInQuotes.test(content) ? content : undefined;
    if (character === '\\') {
      index++;
      if (index >= text.length - 1) return undefined;
      content += text[index]!;
    } else content += character;
  }
  return undefined;
}

/**
 * A domain in the form it is compared and looked up in: lower case, Unicode to A-labels (IDNA, UTS 46), no final dot;
 * address literals in lower case. Undefined when it is none.
 */
export function parseDomain(text: string): string | undefined {
  if (text.startsWith('[')) return parseLiteral(text.toLowerCase());
  if (text === '' || text.length > addressLengthMax) return undefined;
  let domain = text.toLowerCase();
  if (!/^[a-z0-9._-]+$/.test(domain)) {
    // domainToASCII reads a URL's host: what a URL gives a meaning of its own must not get there.
    if (/[\x00-\x20%/?#\\:@[\]<>^|\x7f]/.test(domain)) return undefined;
    domain = domainToASCII(domain);
  }
  if (domain.endsWith('.')) domain = domain.slice(0, -1);
  if (domain === '' || domain.length > domainBytesMax) return undefined;
  return domain.split('.').every((part) => label.test(part)) ? domain : undefined;
}

function parseLiteral(text: string): string | undefined {
  const numbers = ipv4Literal.exec(text);
  if (numbers !== null) return numbers.slice(1).every((number) => Number(number) <= 255) ? text : undefined;
  return ipv6Literal.test(text) ? text : undefined;
}

/** `local@domain` as SMTP and headers want it, the local part quoted where it must be. */
export function formatAddress(address: Address): string {
  return `${formatLocalPart(address.localPart)}@${address.domain}`;
}

export function formatLocalPart(localPart: string): string {
  if (dotString.test(localPart)) return localPart;
  return `"${localPart.replace(/["\\]/g, '\\$&')}"`;
}

/** For people: the domain with its Unicode letters. */
export function displayAddress(address: Address): string {
  const domain = address.domain.includes('xn--') ? domainToUnicode(address.domain) : address.domain;
  return `${formatLocalPart(address.localPart)}@${domain === '' ? address.domain : domain}`;
}

/** True when it needs SMTPUTF8 to be sent (RFC 6531): its domain never does, being in A-labels. */
export function needsSmtpUtf8(address: Address): boolean {
  return /[^\x00-\x7f]/.test(address.localPart);
}

/**
 * The form under which an address is stored and found: letter case and Unicode presentation do not matter, as PRECIS'
 * UsernameCaseMapped has it (RFC 8265 3.3).
 */
export function canonicalAddress(address: Address): string {
  return `${formatLocalPart(canonicalLocalPart(address.localPart))}@${address.domain}`;
}

export function canonicalLocalPart(localPart: string): string {
  return comparedUsername(localPart);
}

/** Whether it may be the name of a user: no two that look the same are told apart. Spaces are allowed, as in quotes. */
export function isUsername(localPart: string): boolean {
  return usernameCaseMapped(localPart) !== undefined;
}

/** A local part taken apart at the separator of sub-addressing (RFC 5233). */
export interface Subaddress {
  readonly user: string;
  /** After the separator; undefined when there is none. */
  readonly detail: string | undefined;
}

/** `user+tag` → user, tag. One that starts with the separator is whole: it would leave no user. */
export function splitDetail(localPart: string, separator: string): Subaddress {
  const at = separator === '' ? -1 : localPart.indexOf(separator);
  if (at <= 0) return { user: localPart, detail: undefined };
  return { user: localPart.slice(0, at), detail: localPart.slice(at + separator.length) };
}
