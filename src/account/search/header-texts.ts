// The forms in which a header field is searched: as it is written, decoded, and, for lists of addresses, as names and
// addresses, for what an encoded or quoted form hides.

import { decodedName, listedAddressText, parseAddressList } from '../../mail/address-list.ts';

const addressFields = new Set(['from', 'sender', 'reply-to', 'to', 'cc', 'bcc']);

/** `field` in lower case. */
export function isAddressField(field: string): boolean {
  return addressFields.has(field);
}

/** Decoded names and addresses of a field's value. */
export function addressesText(value: string): string {
  const texts: string[] = [];
  for (const group of parseAddressList(value)) {
    if (group.name !== undefined) texts.push(decodedName(group.name) ?? '');
    for (const address of group.addresses) {
      const name = decodedName(address.name) ?? '';
      texts.push(`${name} <${listedAddressText(address)}>`);
    }
  }
  return texts.join(', ');
}
