import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProxyHeader } from './proxy-protocol.ts';

const signature = '\r\n\r\n\0\r\nQUIT\n';
const parse = (text: string) => parseProxyHeader(Buffer.from(text, 'latin1'));

test('version 1', () => {
  const line = 'PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\n';
  assert.deepEqual(parse(`${line}EHLO`), {
    outcome: 'header',
    length: line.length,
    endpoints: {
      sourceAddress: '192.0.2.7',
      destinationAddress: '198.51.100.1',
      sourcePort: 1234,
      destinationPort: 25,
    },
  });
  for (let end = 0; end < line.length; end++)
    assert.equal(parse(line.slice(0, end)).outcome, 'incomplete', `${end}`);
  assert.deepEqual(parse('PROXY UNKNOWN ff 1 x\r\n'), {
    outcome: 'header',
    length: 22,
    endpoints: undefined,
  });
  const bad = [
    'EHLO x\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 ::1 1 2\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n',
  ];
  bad.push(
    'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(120)}`,
  );
  bad.push('PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n', 'PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n');
  for (const text of bad) assert.equal(parse(text).outcome, 'invalid', text);
});

test('version 2', () => {
  const ipv4 = `${signature}\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x04\xd2\0\x19`;
  assert.deepEqual(parse(`${ipv4}EHLO`), {
    outcome: 'header',
    length: 28,
    endpoints: {
      sourceAddress: '192.0.2.7',
      destinationAddress: '198.51.100.1',
      sourcePort: 1234,
      destinationPort: 25,
    },
  });
  for (let end = 0; end < ipv4.length; end++)
    assert.equal(parse(ipv4.slice(0, end)).outcome, 'incomplete', `${end}`);
  const address = '\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01';
  const ipv6 = parse(`${signature}\x21\x21\0\x24${address}${address}\x04\xd2\0\x19`);
  assert.equal(ipv6.outcome === 'header' && ipv6.endpoints?.sourceAddress, '2001:db8::1');
  // LOCAL, and a family that says nothing, with bytes to skip.
  assert.deepEqual(parse(`${signature}\x20\0\0\x02xx`), {
    outcome: 'header',
    length: 18,
    endpoints: undefined,
  });
  assert.deepEqual(parse(`${signature}\x21\x31\0\x02xx`), {
    outcome: 'header',
    length: 18,
    endpoints: undefined,
  });
  const bad = [`${signature}\x11\x11\0\x0c`, `${signature}\x22\x11\0\0`, `${signature}\x21\x11\xff\xff`];
  bad.push(
    `${signature}\x21\x11\0\x04abcd`,
    '\r\n\r\nQUIT\r\n',
    `${signature}\x21\x21\0\x0c${'x'.repeat(12)}`,
  );
  for (const text of bad) assert.equal(parse(text).outcome, 'invalid', JSON.stringify(text));
});
