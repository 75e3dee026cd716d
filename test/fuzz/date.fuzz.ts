// Any text is a date or none; one that is comes back from its own formatting.

import assert from 'node:assert/strict';
import { formatDate, formatInternalDate, parseDate, parseInternalDate } from '../../src/mail/date.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const seeds = [
  'Thu, 11 Apr 1996 01:10:30 -0500 (EST)',
  'Wed, 11 Feb 98 11:51 CST',
  'Tue Feb 10 11:51:00 CST 1998',
  '2026-02-11T11:50:58.1+02:00',
  'Mon, 01 Feb 2021 1:02 PM GMT+1',
  ' 1-Jan-1970 00:00:00 +0000',
  '(a (b) c) 1 Jan 102 00 : 00 UT',
];

/** Years that are written with four digits. */
const lastSecond = 253_402_300_799;
const firstSecond = -62_135_596_800;

export const target: FuzzTarget = {
  name: 'date',
  seeds: () => seeds.map((seed) => Buffer.from(seed)),
  run(input) {
    const text = Buffer.from(input).toString('latin1');
    for (const date of [parseDate(text), parseInternalDate(text)]) {
      if (date === undefined) continue;
      const local = date.unixSeconds + date.zoneMinutes * 60;
      assert.ok(Number.isInteger(date.unixSeconds) && Number.isInteger(date.zoneMinutes));
      if (local < firstSecond || local > lastSecond) continue;
      assert.equal(parseDate(formatDate(date.unixSeconds, date.zoneMinutes))?.unixSeconds, date.unixSeconds);
      const internal = formatInternalDate(date.unixSeconds, date.zoneMinutes);
      assert.equal(parseInternalDate(internal)?.unixSeconds, date.unixSeconds, internal);
    }
  },
};
