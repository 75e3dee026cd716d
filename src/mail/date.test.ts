import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDate, formatInternalDate, parseDate, parseInternalDate } from './date.ts';

const cases: [string, string, number][] = [
  ['Thu, 11 Apr 1996 01:10:30 -0500', '1996-04-11T06:10:30Z', -300],
  ['11 Apr 1996 01:10 +0130', '1996-04-10T23:40:00Z', 90],
  ['Thu, 11 Apr 1996 01:10:30 -0500 (EST)', '1996-04-11T06:10:30Z', -300],
  ['Wed, 11 Feb 98 11:51 CST', '1998-02-11T17:51:00Z', -360],
  ['Mon, 21 Aug 95 13:30:57 -600', '1995-08-21T19:30:57Z', -360],
  ['Mon, 23 Dec 1996 00:08:02 +0100', '1996-12-22T23:08:02Z', 60],
  ['Mon, 23 Dec 96 00:07 MET', '1996-12-22T23:07:00Z', 60],
  ['1 Jan 102 00:00:00 GMT', '2002-01-01T00:00:00Z', 0],
  ['1 Jan 49 00:00:00 Z', '2049-01-01T00:00:00Z', 0],
  ['Tue Feb 10 11:51:00 CST 1998', '1998-02-10T17:51:00Z', -360],
  ['Tue Feb 10 11:51:00 1998', '1998-02-10T11:51:00Z', 0],
  ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06Z', -360],
  ['(a (nested) comment) 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06Z', -360],
  ['2026-02-11T11:50:58+02:00', '2026-02-11T09:50:58Z', 120],
  ['2026-02-11 11:50:58', '2026-02-11T11:50:58Z', 0],
  ['2026-02-11T11:50:58.123Z', '2026-02-11T11:50:58Z', 0],
  ['Wednesday, 11-Feb-98 11:51:00 GMT', '1998-02-11T11:51:00Z', 0],
  ['Mon, 01 Feb 2021 1:02 PM +0000', '2021-02-01T13:02:00Z', 0],
  ['Mon, 01 Feb 2021 12:02:03 AM', '2021-02-01T00:02:03Z', 0],
  ['Sat,  6 Sept 2025 10:00:00 GMT+0200', '2025-09-06T08:00:00Z', 120],
  ['Tue, 7 Mar 2017 14.05.06 +0100', '2017-03-07T13:05:06Z', 60],
  ['Thu, 31 Dec 1998 23:59:60 +0000', '1999-01-01T00:00:00Z', 0],
  ['Thu, 01 Jan 1970 00:00:00 -0000', '1970-01-01T00:00:00Z', 0],
  ['11 Apr 1996', '1996-04-11T00:00:00Z', 0],
];

for (const [text, expected, zoneMinutes] of cases) {
  test(`date ${JSON.stringify(text)}`, () => {
    const date = parseDate(text);
    assert.ok(date !== undefined);
    assert.equal(new Date(date.unixSeconds * 1000).toISOString().replace('.000', ''), expected);
    assert.equal(date.zoneMinutes + 0, zoneMinutes);
  });
}

test('what is no date is undefined', () => {
  for (const text of [
    '',
    'Malformed Date.',
    'Mon',
    '12:00',
    '99 Foo 2001 10:00',
    '1 Jan 20010 00:00',
    '0 Jan 2001',
    // Found by fuzzing.
    '1 Feb 1 GMT+1+',
    'x'.repeat(1000),
  ])
    assert.equal(parseDate(text), undefined, text);
});

test('dates are formatted as RFC 5322 has them, and come back', () => {
  assert.equal(formatDate(0), 'Thu, 1 Jan 1970 00:00:00 +0000');
  assert.equal(formatDate(829203030, -300), 'Thu, 11 Apr 1996 01:10:30 -0500');
  const seconds = fc.integer({ min: -2_000_000_000, max: 20_000_000_000 });
  fc.assert(
    fc.property(seconds, fc.integer({ min: -840, max: 840 }), (unixSeconds, zoneMinutes) => {
      const date = { unixSeconds, zoneMinutes };
      assert.deepEqual(parseDate(formatDate(unixSeconds, zoneMinutes)), date);
      assert.deepEqual(parseInternalDate(formatInternalDate(unixSeconds, zoneMinutes)), date);
    }),
    { numRuns: 200 },
  );
});

test('IMAP date-time is strict', () => {
  assert.equal(formatInternalDate(829203030, -300), '11-Apr-1996 01:10:30 -0500');
  assert.equal(formatInternalDate(0), ' 1-Jan-1970 00:00:00 +0000');
  assert.deepEqual(parseInternalDate('01-Jan-1970 00:00:00 +0000'), { unixSeconds: 0, zoneMinutes: 0 });
  const refused = [
    '1-Jan-1970 00:00:00 +0000x',
    '31-Feb-2020 00:00:00 +0000',
    '01-Foo-2020 00:00:00 +0000',
    '01-Jan-2020 24:00:00 +0000',
    '01-Jan-2020 00:00 +0000',
    '01-Jan-20 00:00:00 +0000',
    '01-Jan-2020 00:00:00',
  ];
  for (const text of refused) assert.equal(parseInternalDate(text), undefined, text);
});
