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

/** The form nearly all mail has; everything else goes the slower way. */
const usualForm =
  /^(?:[A-Za-z]{3}, *)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d{2}):(\d{2})(?::(\d{2}))? ([+-]\d{4})(?: *\([^()]*\))?$/;

/** Parses a Date field's value (unfolded). */
export function parseDate(text: string): MailDate | undefined {
  if (text.length > dateLengthMax) return undefined;
  const usual = usualForm.exec(text);
  if (usual === null) return parseWords(withoutComments(text));
  const month = monthByName.get(usual[2]!.toLowerCase());
  if (month === undefined) return undefined;
  const seconds = Number(usual[4]) * 3600 + Number(usual[5]) * 60 + Number(usual[6] ?? 0);
  return moment({
    year: Number(usual[3]),
    month,
    day: Number(usual[1]),
    seconds,
    zone: numericZone(usual[7]!),
  });
}

interface Fields {
  year: number | undefined;
  /** 0..11 */
  month: number | undefined;
  day: number | undefined;
  /** Since midnight. */
  seconds: number | undefined;
  zone: number | undefined;
}

const clockWord = /^(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d+)?)?([ap]m|z|[+-]\d{1,2}:?\d{2})?$/i;
const isoWord = /^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:t(.+))?$/i;
const dashedWord = /^(\d{1,2})-([a-z]{3,9})-(\d{2,5})$/i;

/** Takes the date word by word, in whatever order they come: asctime, ISO 8601, missing or doubled punctuation. */
function parseWords(text: string): MailDate | undefined {
  const fields: Fields = {
    year: undefined,
    month: undefined,
    day: undefined,
    seconds: undefined,
    zone: undefined,
  };
  const spaced = text.replace(/\s*:\s*/g, ':');
  for (const word of spaced.split(/[\s,]+/)) if (word !== '') takeWord(fields, word);
  const { year, month, day, seconds, zone } = fields;
  if (year === undefined || month === undefined || day === undefined) return undefined;
  return moment({ year, month, day, seconds: seconds ?? 0, zone: zone ?? 0 });
}

function takeWord(fields: Fields, word: string): void {
  const clock = clockWord.exec(word);
  if (clock !== null) {
    fields.seconds ??= clockSeconds(clock);
    const suffix = clock[4]?.toLowerCase();
    if (suffix?.endsWith('m') === true) applyHalfDay(fields, suffix);
    else if (suffix !== undefined) fields.zone ??= suffix === 'z' ? 0 : numericZone(suffix);
    return;
  }
  const iso = isoWord.exec(word);
  const dashed = iso === null ? dashedWord.exec(word) : null;
  if (iso !== null) {
    fields.year ??= Number(iso[1]);
    fields.month ??= Number(iso[2]) - 1;
    fields.day ??= Number(iso[3]);
    if (iso[4] !== undefined && !iso[4].includes('t')) takeWord(fields, iso[4]);
  } else if (dashed !== null) {
    fields.day ??= Number(dashed[1]);
    fields.month ??= monthByName.get(dashed[2]!.slice(0, 3).toLowerCase());
    fields.year ??= fullYear(dashed[3]!);
  } else if (/^\d+\.?$/.test(word)) takeNumber(fields, word.replace('.', ''));
  else if (/^[+-]\d{1,2}:?\d{0,2}$/.test(word)) fields.zone = numericZone(word);
  else takeName(fields, word.toLowerCase().replace(/\.$/, ''));
}

function takeNumber(fields: Fields, digits: string): void {
  if (fields.day === undefined && digits.length <= 2) fields.day = Number(digits);
  else if (fields.year === undefined && digits.length >= 2 && digits.length <= 5)
    fields.year = fullYear(digits);
}

function takeName(fields: Fields, word: string): void {
  if (word === 'am' || word === 'pm') applyHalfDay(fields, word);
  else if (fields.seconds !== undefined && fields.zone === undefined && zoneHours.has(word))
    fields.zone = zoneHours.get(word)! * 60;
  else if (/^(?:gmt|utc?)[+-]\d{1,2}:?\d{0,2}$/.test(word))
    fields.zone ??= numericZone(word.replace(/^[a-z]+/, ''));
  else if (word.length >= 3 && !/^(?:mon|monday)$/.test(word))
    fields.month ??= monthByName.get(word.slice(0, 3));
}

function clockSeconds(clock: RegExpExecArray): number | undefined {
  const hours = Number(clock[1]);
  const minutes = Number(clock[2]);
  const seconds = Number(clock[3] ?? 0);
  // 60 is a leap second; 24:00 the end of the day.
  if (hours > 24 || minutes > 59 || seconds > 60) return undefined;
  return hours * 3600 + minutes * 60 + seconds;
}

function applyHalfDay(fields: Fields, half: string): void {
  const seconds = fields.seconds;
  if (seconds === undefined || seconds >= 13 * 3600) return;
  fields.seconds = (seconds % (12 * 3600)) + (half === 'pm' ? 12 * 3600 : 0);
}

/** RFC 5322 4.3: two digits mean 1950..2049, three mean years since 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

/** "+0130", "+01:30", "+1", "-600" (as broken senders write -0600). */
function numericZone(text: string): number {
  const digits = text.slice(1).replace(':', '');
  const hours = Number(digits.length > 2 ? digits.slice(0, -2) : digits);
  const minutes = digits.length > 2 ? Number(digits.slice(-2)) : 0;
  const zone = hours * 60 + minutes;
  return text.startsWith('-') ? -zone : zone;
}

interface Moment {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly seconds: number;
  readonly zone: number;
}

function moment({ year, month, day, seconds, zone }: Moment): MailDate | undefined {
  if (month < 0 || month > 11 || day < 1 || day > 31 || year < 1 || year > 9999) return undefined;
  if (seconds > 86_460 || Math.abs(zone) > 5999) return undefined;
  const midnight = new Date(0);
  midnight.setUTCFullYear(year, month, day);
  // Days that the month does not have (30 Feb) go over into the next one, as Date has it: better than no date.
  return { unixSeconds: midnight.getTime() / 1000 + seconds - zone * 60, zoneMinutes: zone };
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function formatZone(zoneMinutes: number): string {
  const absolute = Math.abs(zoneMinutes);
  return `${zoneMinutes < 0 ? '-' : '+'}${twoDigits(Math.floor(absolute / 60))}${twoDigits(absolute % 60)}`;
}

function formatClock(date: Date): string {
  return `${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())}:${twoDigits(date.getUTCSeconds())}`;
}

/** "Thu, 1 Jan 1970 00:00:00 +0000" (RFC 5322 3.3). */
export function formatDate(unixSeconds: number, zoneMinutes = 0): string {
  const date = new Date((unixSeconds + zoneMinutes * 60) * 1000);
  const day = `${dayNames[date.getUTCDay()]}, ${date.getUTCDate()} ${monthNames[date.getUTCMonth()]}`;
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  return `${day} ${year} ${formatClock(date)} ${formatZone(zoneMinutes)}`;
}

const internalForm = /^([ \d]?\d)-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})$/;

/** IMAP date-time without its quotes: " 1-Jan-1970 00:00:00 +0000" (RFC 9051 9). Strict: it comes from a client's command. */
export function parseInternalDate(text: string): MailDate | undefined {
  const match = internalForm.exec(text);
  if (match === null) return undefined;
  const month = monthByName.get(match[2]!.toLowerCase());
  const day = Number(match[1]);
  const year = Number(match[3]);
  const hours = Number(match[4]);
  const minutes = Number(match[5]);
  const seconds = Number(match[6]);
  if (month === undefined || hours > 23 || minutes > 59 || seconds > 60 || day > daysIn(year, month))
    return undefined;
  return moment({
    year,
    month,
    day,
    seconds: hours * 3600 + minutes * 60 + seconds,
    zone: numericZone(match[7]!),
  });
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
}

/** IMAP date-time without its quotes. */
export function formatInternalDate(unixSeconds: number, zoneMinutes = 0): string {
  const date = new Date((unixSeconds + zoneMinutes * 60) * 1000);
  const day = String(date.getUTCDate()).padStart(2, ' ');
  const year = String(date.getUTCFullYear()).padStart(4, '0');
  return `${day}-${monthNames[date.getUTCMonth()]}-${year} ${formatClock(date)} ${formatZone(zoneMinutes)}`;
}
