import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeMailboxName, encodeMailboxName } from './mailbox-name.ts';

test('modified UTF-7: the examples of RFC 3501 5.1.3', () => {
  assert.equal(decodeMailboxName('~peter/mail/&U,BTFw-/&ZeVnLIqe-', false), '~peter/mail/台北/日本語');
  assert.equal(encodeMailboxName('~peter/mail/台北/日本語', false), '~peter/mail/&U,BTFw-/&ZeVnLIqe-');
  assert.equal(decodeMailboxName('&Jjo-!', false), '☺!');
  assert.equal(decodeMailboxName('&U,BTF2XlZyyKng-', false), '台北日本語');
  assert.equal(decodeMailboxName('R&-D', false), 'R&D');
  assert.equal(encodeMailboxName('R&D 😀', false), 'R&-D &2D3eAA-');
});

test('modified UTF-7: every other encoding of a name is refused', () => {
  // RFC 3501: &Jjo! lacks the shift back, &U,BTFw-&ZeVnLIqe- has a superfluous one; then ASCII in base64,
  // stray bits, padding, a lone surrogate, an odd octet, no shift back, 8-bit, a control character, '/' of
  // plain base64.
  for (const octets of [
    '&Jjo!',
    '&U,BTFw-&ZeVnLIqe-',
    '&AGE-',
    '&Jjp-',
    '&Jjo=-',
    '&2D0-',
    '&AAAA-x&',
    '&Jg-',
    '&',
    'a&b',
    'r\xe9',
    'a\tb',
    '&U/BTFw-',
  ])
    assert.equal(decodeMailboxName(octets, false), undefined, octets);
});

test('UTF-8: as it is, an ampersand is an ampersand, broken octets are refused', () => {
  assert.equal(decodeMailboxName('r\xc3\xa9sum\xc3\xa9 & co', true), 'résumé & co');
  assert.equal(encodeMailboxName('résumé & co', true), 'r\xc3\xa9sum\xc3\xa9 & co');
  for (const octets of ['\xc3', '\xed\xa0\x80', '\xc0\x80', '\xff'])
    assert.equal(decodeMailboxName(octets, true), undefined);
});

test('every name survives both encodings', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (name, utf8) => {
      assert.equal(decodeMailboxName(encodeMailboxName(name, utf8), utf8), name);
    }),
    { numRuns: 300 },
  );
});
