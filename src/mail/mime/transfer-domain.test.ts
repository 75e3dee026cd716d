import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishAtOnce } from '../../base/slicer.ts';
import { type TransferDomain, transferDomain, widerDomain } from './transfer-domain.ts';

const domainOf = (text: string): TransferDomain => {
  // What stands around it does not count.
  const bytes = Buffer.from(`\r${text}\n\0`, 'latin1');
  return finishAtOnce(transferDomain(bytes, 1, bytes.length - 2));
};

test('the data of RFC 2045 2.7 to 2.9', () => {
  const line = 'x'.repeat(998);
  const step = `${'x'.repeat(62)}\r\n`.repeat(4096);
  for (const text of [
    '',
    'a',
    'a\r\n\r\nb\r\n',
    line,
    `${line}\r\n${line}`,
    `${step}${line}\r\n`,
    `${step}\r\n`,
  ])
    assert.equal(domainOf(text), '7bit', JSON.stringify(text.slice(-20)));
  for (const text of ['\x80', 'a\r\n\xff', `${step}\x80`]) assert.equal(domainOf(text), '8bit');
  const binary = [
    '\0',
    'a\nb',
    '\n',
    'a\rb',
    '\r',
    '\r\r\n',
    `${line}x`,
    `${line}x\r\n`,
    `a\r\n${line}x\r\n`,
    'x'.repeat(600_000),
  ];
  for (const text of [...binary, `\x80${step}\n`, `${step}\r`, `${step}\0`])
    assert.equal(domainOf(text), 'binary', JSON.stringify(text.slice(-20)));
  // A CRLF on both sides of a step's end.
  assert.equal(domainOf(`${'x\r\n'.repeat(256 * 1024)}`), '7bit');
});

test('the wider of two', () => {
  const domains = ['7bit', '8bit', 'binary'] as const;
  for (const [one, first] of domains.entries())
    for (const [other, second] of domains.entries())
      assert.equal(widerDomain(first, second), domains[Math.max(one, other)]);
});
