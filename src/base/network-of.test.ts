import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './network-of.ts';

test('the network of an IPv6 address is its /64', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:db8:1:2::1'));
  assert.equal(networkOf('2001:db8:0:1::5'), networkOf('2001:db8:0:1:ffff::9'));
  assert.notEqual(networkOf('2001:db8:1:2::1'), networkOf('2001:db8:1:3::1'));
  assert.equal(networkOf('fe80::1%eth0'), networkOf('fe80::2%eth0'));
});

test('an IPv4 address is its own network, however it is written', () => {
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1');
  assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1');
});

test('what is no address is its own network', () => {
  for (const text of ['', 'nonsense', 'a:b', '::g']) assert.equal(networkOf(text), text);
});
