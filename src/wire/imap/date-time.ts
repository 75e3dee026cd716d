// IMAP's two date forms: date-time of INTERNALDATE, APPEND and SAVEDATE, and the date of SEARCH (RFC 9051
// section 9).
// Days are counted in UTC from 1970-01-01 on the proleptic Gregorian calendar. What is no date is undefined.

const monthNames = [
  'Jan',
  'Feb',
  'Mar',
  'Apr',
  'May',
  'Jun',
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
] as const;
const monthByName = new Map<string, number>(monthNames.map((name, index) => [name.toLowerCase(), index + 1]));
const secondsPerDay = 86_400;

const datePattern = /^( \d|\d{1,2})-([A-Za-z]{3})-(\d{4})$/;
const timePattern = /^(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/;

/**
 * `17-Jul-1996 02:44:25 -0700` (without quotes; the day padded by a space or zero) to seconds since 1970 UTC.
 */
export function parseDateTime(text: string): number | undefined {
  const space = text.indexOf(' ', 1);
  const day = parseDate(text.slice(0, space));
  const time = timePattern.exec(text.slice(space + 1));
  if (space < 0 || day === undefined || time === null) return undefined;
  const hour = Number(time[1]);
  const minute = Number(time[2]);
  const second = Number(time[3]);
  const zoneMinute = Number(time[6]);
  // 60: a leap second; it becomes the next minute's first.
  if (hour > 23 || minute > 59 || second > 60 || zoneMinute > 59) return undefined;
  const zone = (Number(time[5]) * 60 + zoneMinute) * 60 * (time[4] === '-' ? -1 : 1);
  return day * secondsPerDay + hour * 3600 + minute * 60 + second - zone;
}

/** `1-Feb-1994` to days since 1970. */
export function parseDate(text: string): number | undefined {
  const match = datePattern.exec(text);
  if (match === null) return undefined;
  const day = Number(match[1]);
  const month = monthByName.get(match[2]!.toLowerCase());
  const year = Number(match[3]);
  if (month === undefined || day < 1 || day > daysInMonth(year, month)) return undefined;
  return daysFromCivil(year, month, day);
}

/**
 * Seconds since 1970 UTC to `"17-Jul-1996 02:44:25 +0000"`, with its quotes. Years outside 0..9999 are
 * clamped.
 */
export function formatDateTime(seconds: number): string {
  const whole = Math.min(Math.max(Math.floor(seconds), -62_167_219_200), 253_402_300_799);
  const days = Math.floor(whole / secondsPerDay);
  const rest = whole - days * secondsPerDay;
  return `"${formatDay(days)} ${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)} +0000"`;
}

/** Civil date from days (H. Hinnant's algorithm): months counted from March, so that leap days come last. */
function formatDay(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${day < 10 ? ' ' : ''}${day}-${monthNames[month - 1]}-${String(year).padStart(4, '0')}`;
}

function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}
