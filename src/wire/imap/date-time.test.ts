import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDateTime, parseDate, parseDateTime } from './date-time.ts';

test('date-time: zones, padded days', () => {
  assert.equal(parseDateTime('17-Jul-1996 02:44:25 -0700'), Date.UTC(1996, 6, 17, 9, 44, 25) / 1000);
  assert.equal(parseDateTime(' 7-feb-1994 21:52:25 +0530'), Date.UTC(1994, 1, 7, 16, 22, 25) / 1000);
  assert.equal(parseDateTime('07-Feb-1994 21:52:25 +0000'), Date.UTC(1994, 1, 7, 21, 52, 25) / 1000);
  assert.equal(parseDateTime('31-Dec-1960 23:59:60 +0000'), Date.UTC(1961, 0, 1) / 1000);
});

test('what is no date is undefined', () => {
  for (const text of [
    '',
    ' ',
    '17-Jul-1996',
    '30-Feb-2024 00:00:00 +0000',
    '29-Feb-2023 00:00:00 +0000',
    '1-Foo-2020 00:00:00 +0000',
    '1-Jan-2020 24:00:00 +0000',
    '1-Jan-2020 00:60:00 +0000',
    '1-Jan-2020 00:00:00 +0060',
    '1-Jan-2020 00:00:00 UTC',
    '0-Jan-2020 00:00:00 +0000',
    '1-Jan-20 00:00:00 +0000',
    '1-Jan-2020  00:00:00 +0000',
  ])
    assert.equal(parseDateTime(text), undefined, text);
});

test('dates are days since 1970', () => {
  assert.equal(parseDate('1-Jan-1970'), 0);
  assert.equal(parseDate('1-Feb-1994'), Date.UTC(1994, 1, 1) / 86_400_000);
  assert.equal(parseDate('29-Feb-2000'), Date.UTC(2000, 1, 29) / 86_400_000);
  assert.equal(parseDate('31-Dec-1969'), -1);
  assert.equal(parseDate('1-Feb-1994 '), undefined);
});

test('formats as the platform says, and parses back', () => {
  assert.equal(formatDateTime(Date.UTC(1996, 6, 17, 9, 44, 25) / 1000), '"17-Jul-1996 09:44:25 +0000"');
  assert.equal(formatDateTime(0), '" 1-Jan-1970 00:00:00 +0000"');
  assert.equal(formatDateTime(1e300), '"31-Dec-9999 23:59:59 +0000"');
  assert.equal(formatDateTime(-1e300), '" 1-Jan-0000 00:00:00 +0000"');
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
      const text = formatDateTime(seconds);
      const date = new Date(seconds * 1000);
      assert.equal(Number(text.slice(1, 3)), date.getUTCDate());
      assert.equal(text.slice(13, 21), date.toISOString().slice(11, 19));
      assert.equal(parseDateTime(text.slice(1, -1)), seconds);
    }),
    { numRuns: 300 },
  );
});
