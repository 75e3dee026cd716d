// mbox: one file a mailbox, or a directory of them. Messages are separated by "From " lines behind a blank line; lines of
// the message that begin with any number of ">" and "From " are quoted by one more ">" (mboxrd), so that reading is the exact
// inverse of writing, but for one thing: a message whose last line has no end gets one. Flags are in Status, X-Status and
// X-Keywords, which are taken off again on reading.

import { createReadStream } from 'node:fs';
import { appendFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { CommandFailure } from '../exit-codes.ts';
import {
  type MessageSource,
  type StoredMessage,
  toNetworkNewlines,
  toUnixNewlines,
} from './stored-message.ts';

const fromLine = Buffer.from('From ');
/** A message larger than this in an mbox is more likely a file that is no mbox. */
const messageBytesMax = 256 * 1024 * 1024;

/** Lines of a file as latin1 with their LF; the memory is one chunk and one line. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield bytes.subarray(start, end + 1);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > messageBytesMax)
      throw new CommandFailure(`${path} is no mbox: a line is longer than ${messageBytesMax} bytes`);
  }
  if (rest.length > 0) yield rest;
}

interface RawMessage {
  readonly separator: string;
  readonly lines: Buffer[];
}

/** A "From " line starts a message at the file's start or behind a blank line. */
async function* rawMessages(path: string): AsyncGenerator<RawMessage> {
  let current: RawMessage | undefined;
  let afterBlank = true;
  let bytes = 0;
  for await (const line of linesOf(path)) {
    if (afterBlank && line.subarray(0, 5).equals(fromLine)) {
      if (current !== undefined) yield current;
      current = { separator: line.toString('latin1').trimEnd(), lines: [] };
      bytes = 0;
    } else if (current === undefined) {
      throw new CommandFailure(`${path} is no mbox: it does not begin with a "From " line`);
    } else {
      bytes += line.length;
      if (bytes > messageBytesMax)
        throw new CommandFailure(`${path}: a message is larger than ${messageBytesMax} bytes`);
      current.lines.push(Buffer.from(line));
    }
    afterBlank = line.length === 1 || (line.length === 2 && line[0] === 13);
  }
  if (current !== undefined) yield current;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** "From someone Sat Jan  3 01:05:34 2026" in UTC; undefined when there is no date in it. */
function separatorDate(separator: string): number | undefined {
  const match = /([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2})(?: [A-Z+-]\S*)? (\d{4})/.exec(separator);
  if (match === null) return undefined;
  const month = months.indexOf(match[1]!);
  const [day, hour, minute, second, year] = match.slice(2).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return month < 0 ? undefined : Date.UTC(year, month, day, hour, minute, second) / 1000;
}

function formatSeparator(date: number): string {
  const when = new Date(date * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(when.getUTCHours())}:${two(when.getUTCMinutes())}:${two(when.getUTCSeconds())}`;
  const day = String(when.getUTCDate()).padStart(2, ' ');
  return `From MAILER-DAEMON ${weekdays[when.getUTCDay()]} ${months[when.getUTCMonth()]} ${day} ${time} ${when.getUTCFullYear()}\n`;
}

const statusFlags: Record<string, string> = {
  R: '\\Seen',
  A: '\\Answered',
  F: '\\Flagged',
  D: '\\Deleted',
  T: '\\Draft',
};

/** Takes Status, X-Status and X-Keywords out of the header and says what they meant. */
function takeFlags(lines: Buffer[]): { flags: string[]; lines: Buffer[] } {
  const flags = new Set<string>();
  const kept: Buffer[] = [];
  let inHeader = true;
  for (const line of lines) {
    const match = inHeader ? /^(X-)?(Status|Keywords): *(.*?)\r?\n?$/i.exec(line.toString('latin1')) : null;
    if (line.length === 1 || (line.length === 2 && line[0] === 13)) inHeader = false;
    const isStatus = match?.[2]?.toLowerCase() === 'status';
    if (match === null || (!isStatus && match[1] === undefined)) kept.push(line);
    else if (isStatus) for (const letter of match[3]!) flags.add(statusFlags[letter] ?? '');
    else for (const keyword of match[3]!.split(/\s+/)) flags.add(keyword);
  }
  flags.delete('');
  return { flags: [...flags], lines: kept };
}

function unquoted(line: Buffer): Buffer {
  return /^>+From /.test(line.toString('latin1', 0, 64)) ? line.subarray(1) : line;
}

async function mboxFiles(path: string): Promise<string[]> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) throw new CommandFailure(`${path} does not exist`);
  if (status.isFile()) return [path];
  const files: string[] = [];
  for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) files.push(...(await mboxFiles(join(path, entry.name))));
    else if (entry.isFile()) files.push(join(path, entry.name));
  }
  return files;
}

/** A single file goes to INBOX; in a directory each file is a mailbox, "Work/Old.mbox" is Work/Old. */
export async function openMbox(path: string): Promise<MessageSource> {
  const files = await mboxFiles(path);
  const isSingle = files.length === 1 && files[0] === path;
  let total = 0;
  for (const file of files) for await (const _ of rawMessages(file)) total++;
  async function* messages(): AsyncGenerator<StoredMessage> {
    for (const file of files) {
      const mailbox = isSingle ? 'INBOX' : relative(path, file).replace(/\.mbox$/i, '');
      for await (const raw of rawMessages(file)) yield storedMessage(raw, mailbox, file);
    }
  }
  return { total, messages };
}

function storedMessage(raw: RawMessage, mailbox: string, source: string): StoredMessage {
  // The blank line before the next "From " belongs to the mbox, not to the message.
  const last = raw.lines.at(-1);
  if (last !== undefined && (last.equals(Buffer.from('\n')) || last.equals(Buffer.from('\r\n'))))
    raw.lines.pop();
  const { flags, lines } = takeFlags(raw.lines);
  const bytes = toNetworkNewlines(Buffer.concat(lines.map(unquoted)));
  return {
    mailbox,
    flags,
    date: separatorDate(raw.separator),
    bytes,
    source: `${source} (${raw.separator})`,
  };
}

/** Writes one mbox file a mailbox below a directory. */
export class MboxWriter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async addMailbox(mailbox: string): Promise<void> {
    await mkdir(dirname(this.#file(mailbox)), { recursive: true });
    await writeFile(this.#file(mailbox), '', { flag: 'wx' });
  }

  async write(message: StoredMessage): Promise<void> {
    const text = toUnixNewlines(message.bytes).toString('latin1');
    const quoted = text.replaceAll(/^(>*From )/gm, '>$1');
    const ended = quoted.endsWith('\n') ? quoted : `${quoted}\n`;
    await appendFile(
      this.#file(message.mailbox),
      Buffer.from(`${formatSeparator(message.date ?? 0)}${statusLines(message)}${ended}\n`, 'latin1'),
    );
  }

  async finish(): Promise<void> {}

  #file(mailbox: string): string {
    const levels = mailbox.split('/').map((level) => (level === '.' || level === '..' ? `_${level}` : level));
    return join(this.#path, ...levels.slice(0, -1), `${basename(levels.at(-1)!)}.mbox`);
  }
}

function statusLines(message: StoredMessage): string {
  const has = (flag: string): boolean =>
    message.flags.some((one) => one.toLowerCase() === flag.toLowerCase());
  const keywords = message.flags.filter((flag) => !flag.startsWith('\\'));
  let extra = '';
  for (const [letter, flag] of Object.entries(statusFlags)) if (letter !== 'R' && has(flag)) extra += letter;
  const status = `Status: ${has('\\Seen') ? 'RO' : 'O'}\n`;
  return `${status}${extra === '' ? '' : `X-Status: ${extra}\n`}${keywords.length === 0 ? '' : `X-Keywords: ${keywords.join(' ')}\n`}`;
}
