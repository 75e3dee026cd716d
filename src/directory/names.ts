// The names the directory compares: one written form for each address and domain, whatever case or Unicode form it came
// in. Local parts are compared without letter case (RFC 5321 2.4 lets the receiving host decide), domains as A-labels.

import { domainToASCII } from 'node:url';
import type { Address } from '../mail/address.ts';

/** Both parts in their one form; `domain` '' only for a bare "postmaster". */
export interface CanonicalAddress {
  readonly localPart: string;
  readonly domain: string;
}

/** RFC 5321 4.5.3.1. */
const localPartBytesMax = 64;
const domainBytesMax = 255;

const domainPattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** What needs quoting (RFC 5322 atext, RFC 6531: and everything beyond ASCII) is no name for an account. */
const localPartPattern = /^[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/iu;

/** A-labels in lower case; undefined when `text` is no domain name. */
export function canonicalDomain(text: string): string | undefined {
  const domain = domainToASCII(text.normalize('NFC')).toLowerCase();
  return domain.length <= domainBytesMax && domainPattern.test(domain) ? domain : undefined;
}

export function canonicalLocalPart(localPart: string): string {
  return localPart.normalize('NFC').toLowerCase();
}

/** Undefined when `text` is no address that an account, alias or target could have. */
export function canonicalAddressOf(text: string): CanonicalAddress | undefined {
  const split = splitAddress(text);
  return split === undefined ? undefined : { ...split, localPart: canonicalLocalPart(split.localPart) };
}

/** The local part as it was typed, for addresses elsewhere: their hosts may tell letter cases apart. */
export function splitAddress(text: string): CanonicalAddress | undefined {
  const at = text.lastIndexOf('@');
  const localPart = text.slice(0, at).normalize('NFC');
  const domain = at < 1 ? undefined : canonicalDomain(text.slice(at + 1));
  if (domain === undefined || !localPartPattern.test(localPart)) return undefined;
  return Buffer.byteLength(localPart) <= localPartBytesMax ? { localPart, domain } : undefined;
}

export function canonicalise(address: Address): CanonicalAddress {
  const domain = address.domain === '' ? '' : (canonicalDomain(address.domain) ?? address.domain.toLowerCase());
  return { localPart: canonicalLocalPart(address.localPart), domain };
}

export function formatAddress(address: CanonicalAddress): string {
  return `${address.localPart}@${address.domain}`;
}
