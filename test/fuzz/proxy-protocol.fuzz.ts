// Fuzzes the PROXY protocol header: a verdict for any bytes, and one that more bytes do not take back.

import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { parseProxyHeader, proxyHeaderBytesMax } from '../../src/speakers/kit/proxy-protocol.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const signature = '\r\n\r\n\0\r\nQUIT\n';
const seeds = [
  'PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\nEHLO x\r\n',
  'PROXY TCP6 2001:db8::1 2001:db8::2 1234 25\r\n',
  'PROXY UNKNOWN\r\n',
  `${signature}\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x04\xd2\0\x19EHLO`,
  `${signature}\x21\x21\0\x24${'\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01'.repeat(2)}\x04\xd2\0\x19`,
  `${signature}\x20\0\0\0`,
];

export const target: FuzzTarget = {
  name: 'proxy-protocol',
  seeds: () => seeds.map((seed) => Buffer.from(seed, 'latin1')),
  run(input) {
    const whole = parseProxyHeader(input);
    if (whole.outcome === 'incomplete') assert.ok(input.length < proxyHeaderBytesMax);
    if (whole.outcome !== 'header') return;
    assert.ok(whole.length <= input.length && whole.length <= proxyHeaderBytesMax);
    if (whole.endpoints !== undefined) {
      assert.ok(isIP(whole.endpoints.sourceAddress) > 0 && isIP(whole.endpoints.destinationAddress) > 0);
      assert.ok(whole.endpoints.sourcePort <= 65535 && whole.endpoints.destinationPort <= 65535);
    }
    assert.deepEqual(parseProxyHeader(input.subarray(0, whole.length)), whole);
    for (let end = 0; end < whole.length; end++) {
      assert.equal(parseProxyHeader(input.subarray(0, end)).outcome, 'incomplete');
    }
  },
};
