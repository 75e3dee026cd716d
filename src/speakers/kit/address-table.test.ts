import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { AddressRanges, ConnectionCounts, plainAddress } from './address-table.ts';
import { DeadlineTicker } from './deadline-ticker.ts';
import { RateWindow } from './rate-window.ts';

test('ranges hold addresses of both families, mapped ones too', () => {
  const ranges = new AddressRanges(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32']);
  const inside = ['10.1.2.3', '192.0.2.1', '2001:db8:1::1', '::ffff:10.0.0.1'];
  for (const address of inside) assert.equal(ranges.contains(address), true, address);
  for (const address of ['11.0.0.1', '192.0.2.2', '2001:db9::1', 'nonsense', '']) {
    assert.equal(ranges.contains(address), false, address);
  }
  assert.throws(() => new AddressRanges(['10.0.0.0/99']), /10\.0\.0\.0\/99/);
  assert.equal(new AddressRanges([]).contains('10.0.0.1'), false);
});

test('an IPv6 client is its /64', () => {
  const counts = new ConnectionCounts();
  assert.equal(counts.acquire('2001:db8:0:1::5', 1), true);
  assert.equal(counts.acquire('2001:db8:0:1:ffff::9', 1), false);
  assert.equal(counts.acquire('2001:db8:0:2::5', 1), true);
  counts.release('2001:db8:0:1:ffff::9');
  assert.equal(counts.acquire('2001:db8:0:1::5', 1), true);
  const window = new RateWindow(systemClock, 60_000);
  assert.equal(window.take('2001:db8:0:1::5', 1), true);
  assert.equal(window.take('2001:db8:0:1:ffff::9', 1), false);
  assert.equal(window.take('2001:db8:0:2::5', 1), true);
});

test('a mapped IPv4 address is told as what it is', () => {
  assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('2001:db8::1'), '2001:db8::1');
});

test('connections are counted and given back', () => {
  const counts = new ConnectionCounts();
  assert.deepEqual(
    [counts.acquire('a', 2), counts.acquire('a', 2), counts.acquire('a', 2)],
    [true, true, false],
  );
  assert.equal(counts.acquire('b', 2), true);
  counts.release('a');
  assert.equal(counts.acquire('a', 2), true);
});

test('a rate window forgets when it ends', () => {
  let now = 0;
  const window = new RateWindow({ ...systemClock, monotonic: () => now }, 60_000);
  assert.deepEqual([window.take('a', 2), window.take('a', 2), window.take('a', 2)], [true, true, false]);
  assert.equal(window.take('b', 2), true);
  now = 59_999;
  assert.equal(window.take('a', 2), false);
  now = 60_000;
  assert.equal(window.take('a', 2), true);
});

test('the ticker asks all members and stops when there is none', () => {
  let now = 0;
  let timer: (() => void) | undefined;
  const clock = {
    ...systemClock,
    monotonic: () => now,
    after(_delayMs: number, callback: () => void) {
      timer = callback;
      return {
        cancel: () => {
          timer = undefined;
        },
      };
    },
  };
  const ticker = new DeadlineTicker(clock, 1_000);
  const asked: number[] = [];
  const member = { checkDeadlines: (nowMs: number) => void asked.push(nowMs) };
  now = 5_000;
  ticker.add(member);
  assert.equal(ticker.deadlineIn(10_000), 16_000);
  now = 6_000;
  timer!();
  now = 7_000;
  timer!();
  assert.deepEqual(asked, [6_000, 7_000]);
  ticker.delete(member);
  assert.equal(timer, undefined);
});
