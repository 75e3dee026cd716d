// Dates: RFC 5322 3.3 and 4.3 with what broken senders make of it, and IMAP's date-time (RFC 9051 9). Times are seconds
// since 1970-01-01 UTC plus the zone they were written in. Never fails: what is no date is undefined.

import { withoutComments } from './parameter.ts';

export interface MailDate {
  readonly unixSeconds: number;
  /** Minutes east of UTC, -5999..5999. */
  readonly zoneMinutes: number;
}

const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const monthByName = new Map(monthNames.map((name, index) => [name.toLowerCase(), index]));

/** RFC 5322 4.3, and zones seen in mail; military letters and unknown ones count as UTC, as it says. */
const zoneHours = new Map<string, number>([
  ['ut', 0],
  ['utc', 0],
  ['gmt', 0],
  ['z', 0],
  ['est', -5],
  ['edt', -4],
  ['cst', -6],
  ['cdt', -5],
  ['mst', -7],
  ['mdt', -6],
  ['pst', -8],
  ['pdt', -7],
  ['wet', 0],
  ['west', 1],
  ['bst', 1],
  ['cet', 1],
  ['met', 1],
  ['cest', 2],
  ['mest', 2],
  ['eet', 2],
  ['eest', 3],
  ['msk', 3],
  ['jst', 9],
  ['kst', 9],
]);

/** A date longer than this is none. */
const dateLengthMax = 200;

/** Parses a Date field's value (unfolded). */
export function parseDate(text: string): MailDate | undefined {
  if (text.length > dateLengthMax) return undefined;
  const plain = withoutComments(text).trim();
  const fields = dayMonthYear.exec(plain) ?? monthDayYear.exec(plain);
  if (fields === null) return parseIsoDate(plain);
  const { day, month, year, time, zone } = fields.groups!;
  const monthIndex = monthByName.get(month!.slice(0, 3).toLowerCase());
  if (monthIndex === undefined) return undefined;
  const clock = parseClock(time!);
  if (clock === undefined) return undefined;
  return moment(fullYear(year!), monthIndex, Number(day), clock, zoneOf(zone));
}

const time = '(?<time>\\d{1,2}\\s*[:.]\\s*\\d{1,2}(?:\\s*[:.]\\s*\\d{1,2}(?:[.,]\\d+)?)?(?:\\s*[ap]m\\b)?)';
const zone = '(?<zone>[+-]\\s?\\d{1,2}:?\\d{2}|[+-]\\d{1,4}|[A-Za-z]{1,5}(?:[+-]\\d{1,4}(?::?\\d{2})?)?)?';
/** "Wed, 11 Feb 1998 11:51 CST" with any of it but day, month, year and time missing. */
const dayMonthYear = new RegExp(
  `^(?:[A-Za-z]+\\.?\\s*,?\\s*)?(?<day>\\d{1,2})(?:\\s+|-|\\.\\s*)(?<month>[A-Za-z]{3,9})\\.?(?:\\s+|-|,\\s*)(?<year>\\d{2,5})\\s*,?\\s+(?:at\\s+)?${time}\\s*${zone}`,
  'i',
);
/** asctime: "Wed Feb 11 11:51:00 CST 1998", and "February 11, 1998 11:51". */
const monthDayYear = new RegExp(
  `^(?:[A-Za-z]+\\.?\\s*,?\\s+)?(?<month>[A-Za-z]{3,9})\\.?\\s+(?<day>\\d{1,2})(?:,?\\s+(?<year>\\d{4})\\s*,?)?\\s+${time}\\s*${zone}`,
  'i',
);
const isoDate =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?)\s*(Z|[+-]\d{2}:?\d{2})?)?/i;

function parseIsoDate(text: string): MailDate | undefined {
  const asctime = asctimeYear(text);
  if (asctime !== undefined) return asctime;
  const match = isoDate.exec(text);
  if (match === null) return undefined;
  const clock = parseClock(match[4] ?? '0:00');
  return clock && moment(Number(match[1]), Number(match[2]) - 1, Number(match[3]), clock, zoneOf(match[5]));
}
