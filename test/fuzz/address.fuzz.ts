// Any text is an address or none: one that is comes back from its own formatting, has no line break, and its canonical
// form is canonical. Lists give addresses for any text.

import assert from 'node:assert/strict';
import { canonicalAddress, formatAddress, parseAddress } from '../../src/mail/address.ts';
import { decodedName, listedAddressText, parseAddressList } from '../../src/mail/address-list.ts';
import { parseEnvelope } from '../../src/mail/mime/envelope.ts';
import { corpusMessages } from '../corpus/mime-corpus.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  'alice+tag@example.test',
  '"a\\"b c"@[IPv6:2001:db8::1]',
  'jürgen@bücher.example',
  'group: "A, B" <@r,@s:a@b.test>, c@d (comment (nested)) ;, =?utf-8?Q?a,b?= <e@f.test>',
];

export const target: FuzzTarget = {
  name: 'address',
  seeds() {
    const lists = corpusMessages()
      .map(({ bytes }) => parseEnvelope(bytes))
      .flatMap(({ from, to, cc }) => [from, to, cc]);
    return [...seeds, ...lists.filter((list) => list !== undefined)].map((seed) => Buffer.from(seed));
  },
  run(input) {
    const text = Buffer.from(input).toString('utf8');
    const address = parseAddress(text);
    if (address !== undefined) {
      const formatted = formatAddress(address);
      assert.deepEqual(parseAddress(formatted), address);
      assert.doesNotMatch(formatted, /[\x00-\x1f\x7f]/);
      assert.equal(address.domain, address.domain.toLowerCase());
      const canonical = parseAddress(canonicalAddress(address));
      if (canonical !== undefined) assert.equal(canonicalAddress(canonical), canonicalAddress(address));
    }
    for (const group of parseAddressList(Buffer.from(input).toString('latin1'))) {
      for (const listed of group.addresses) {
        assert.equal(typeof decodedName(listed.name), listed.name === undefined ? 'undefined' : 'string');
        assert.ok(listed.mailbox !== '' || listed.host !== '' || listed.name !== undefined);
        assert.equal(typeof listedAddressText(listed), 'string');
      }
    }
  },
};
