import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalAddress,
  canonicalLocalPart,
  displayAddress,
  formatAddress,
  isUsername,
  needsSmtpUtf8,
  parseAddress,
  parseDomain,
  splitDetail,
} from './address.ts';

test('addresses are taken apart, the domain in the form it is compared in', () => {
  const cases: [string, string, string][] = [
    ['alice@example.test', 'alice', 'example.test'],
    ['Alice.Smith@EXAMPLE.Test', 'Alice.Smith', 'example.test'],
    ["o'neil+tag=x/y@a-b.example", "o'neil+tag=x/y", 'a-b.example'],
    ['"a b"@example.test', 'a b', 'example.test'],
    ['"a\\"b\\\\c"@example.test', 'a"b\\c', 'example.test'],
    ['"a@b"@example.test', 'a@b', 'example.test'],
    ['x@[192.0.2.1]', 'x', '[192.0.2.1]'],
    ['x@[IPv6:2001:DB8::1]', 'x', '[ipv6:2001:db8::1]'],
    ['jürgen@bücher.example', 'jürgen', 'xn--bcher-kva.example'],
    ['用户@例え.テスト', '用户', 'xn--r8jz45g.xn--zckzah'],
    ['a@localhost', 'a', 'localhost'],
    ['a@example.test.', 'a', 'example.test'],
  ];
  for (const [text, localPart, domain] of cases)
    assert.deepEqual(parseAddress(text), { localPart, domain }, text);
});

test('what is no address is refused', () => {
  const refused = [
    '',
    'alice',
    '@example.test',
    'alice@',
    'a..b@example.test',
    '.a@example.test',
    'a.@example.test',
    'a b@example.test',
    'a@exa mple.test',
    'a@-x.test',
    'a@x..test',
    'a@x_.test/',
    '<a@b.test>',
    'a@b.test\r\nRCPT TO:<c@d.test>',
    '"a\r\nb"@c.test',
    '"a@b.test',
    '"a"b@c.test',
    'a@[192.0.2.256]',
    'a@[x]',
    'a@b%2ec.test',
    `${'a'.repeat(65)}@b.test`,
    `a@${'b.'.repeat(128)}test`,
    'a\u0000@b.test',
    '\ud800@b.test',
  ];
  for (const text of refused) assert.equal(parseAddress(text), undefined, JSON.stringify(text));
  assert.equal(parseDomain('x'.repeat(64)), undefined);
});

test('formatting quotes what needs quotes and comes back the same', () => {
  assert.equal(formatAddress({ localPart: 'a b', domain: 'c.test' }), '"a b"@c.test');
  assert.equal(formatAddress({ localPart: 'a"\\', domain: 'c.test' }), '"a\\"\\\\"@c.test');
  assert.equal(displayAddress({ localPart: 'a', domain: 'xn--bcher-kva.example' }), 'a@bücher.example');
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }), (localPart) => {
      const text = formatAddress({ localPart, domain: 'example.test' });
      const parsed = parseAddress(text);
      if (parsed !== undefined) assert.deepEqual(parsed, { localPart, domain: 'example.test' });
    }),
    { numRuns: 200 },
  );
});

test('addresses that look the same are one account', () => {
  const canonical = (text: string) => canonicalAddress(parseAddress(text)!);
  assert.equal(canonical('Alice@Example.TEST'), 'alice@example.test');
  assert.equal(canonical('JÜRGEN@bücher.example'), canonical('ju\u0308rgen@xn--bcher-kva.example'));
  assert.equal(canonicalLocalPart('\uff41lice'), 'alice');
  // What only looks alike is no name, and so nobody's.
  assert.deepEqual(['\ufb01sh', 'al\u00adice', 'smile\u263a', 'a  b', 'fish', 'a b'].map(isUsername), [
    ...[false, false, false, false, true, true],
  ]);
  assert.notEqual(canonicalLocalPart('\ufb01sh'), 'fish');
  assert.equal(canonical('"alice"@example.test'), 'alice@example.test');
  assert.equal(needsSmtpUtf8(parseAddress('jürgen@example.test')!), true);
  assert.equal(needsSmtpUtf8(parseAddress('a@bücher.example')!), false);
});

test('sub-addressing splits at the first separator', () => {
  assert.deepEqual(splitDetail('user+tag+more', '+'), { user: 'user', detail: 'tag+more' });
  assert.deepEqual(splitDetail('user+', '+'), { user: 'user', detail: '' });
  assert.deepEqual(splitDetail('user', '+'), { user: 'user', detail: undefined });
  assert.deepEqual(splitDetail('+tag', '+'), { user: '+tag', detail: undefined });
  assert.deepEqual(splitDetail('user', ''), { user: 'user', detail: undefined });
});
