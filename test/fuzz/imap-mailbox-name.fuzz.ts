// Mailbox names: what decodes encodes to the same octets, in both encodings; what is written is one string
// that reads back.

import assert from 'node:assert/strict';
import { formatMailboxName } from '../../src/wire/imap/format-string.ts';
import { decodeMailboxName, encodeMailboxName } from '../../src/wire/imap/mailbox-name.ts';
import { readValue } from '../imap-response.ts';
import type { FuzzTarget } from './fuzz-target.ts';

export const target: FuzzTarget = {
  name: 'imap-mailbox-name',
  seeds: () =>
    [
      'INBOX',
      '~peter/mail/&U,BTFw-/&ZeVnLIqe-',
      'a&-b',
      '&AOQ-&APY-',
      '&2D3eAA-',
      'r\xc3\xa9sum\xc3\xa9',
      '&',
      '&AGE-',
    ].map((name) => Buffer.from(name, 'latin1')),
  run(input) {
    const octets = Buffer.from(input).toString('latin1');
    for (const utf8 of [false, true]) {
      const name = decodeMailboxName(octets, utf8);
      if (name === undefined) continue;
      assert.equal(encodeMailboxName(name, utf8), octets);
      // The other encoding can say the same name.
      assert.equal(decodeMailboxName(encodeMailboxName(name, !utf8), !utf8), name);
      const written = readValue(formatMailboxName(name, false));
      assert(typeof written === 'string' || Buffer.isBuffer(written));
      assert.equal(
        Buffer.from(written as string, 'latin1').toString('latin1'),
        encodeMailboxName(name, false),
      );
    }
  },
};
