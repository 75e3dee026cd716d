// Maildir and Maildir++ (folders are directories that start with a dot, levels separated by dots), flags in the file name
// behind ":2,", keywords as Dovecot keeps them (letters a-z, named in `dovecot-keywords`), internal date as file time.

import { mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { CommandFailure } from '../exit-codes.ts';
import {
  type MessageSource,
  type StoredMessage,
  toNetworkNewlines,
  toUnixNewlines,
} from './stored-message.ts';

const flagByLetter: Record<string, string> = {
  D: '\\Draft',
  F: '\\Flagged',
  R: '\\Answered',
  S: '\\Seen',
  T: '\\Deleted',
  P: '$Forwarded',
};
const letterByFlag = new Map(
  Object.entries(flagByLetter).map(([letter, flag]) => [flag.toLowerCase(), letter]),
);
/** Letters a-z: as many keywords as a maildir folder can name. */
const keywordsMax = 26;

interface MaildirFile {
  readonly mailbox: string;
  readonly path: string;
  readonly flags: readonly string[];
}

async function namesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.map((entry) => entry.name).sort();
}

/** Maildir++ names are in modified UTF-7, or UTF-8 as newer servers write them; both are taken. */
export type MailboxNameDecoder = (name: string) => string;

async function keywordsOf(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'dovecot-keywords'), 'utf8').catch(() => '');
  const keywords: string[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d+) (\S+)$/.exec(line);
    if (match !== null) keywords[Number(match[1])] = match[2]!;
  }
  return keywords;
}

function flagsOf(fileName: string, keywords: readonly string[]): string[] {
  const letters = /:2,([A-Za-z]*)$/.exec(fileName)?.[1] ?? '';
  const flags: string[] = [];
  for (const letter of letters) {
    const flag = flagByLetter[letter] ?? keywords[letter.charCodeAt(0) - 97];
    if (flag !== undefined) flags.push(flag);
  }
  return flags;
}

async function filesIn(folder: string, mailbox: string): Promise<MaildirFile[]> {
  const keywords = await keywordsOf(folder);
  const files: MaildirFile[] = [];
  for (const part of ['cur', 'new']) {
    for (const name of await namesIn(join(folder, part))) {
      if (!name.startsWith('.'))
        files.push({ mailbox, path: join(folder, part, name), flags: flagsOf(name, keywords) });
    }
  }
  return files;
}

export async function openMaildir(path: string, decodeName: MailboxNameDecoder): Promise<MessageSource> {
  const names = await namesIn(path);
  if (!names.includes('cur')) throw new CommandFailure(`${path} is no maildir: it has no directory "cur"`);
  const files = await filesIn(path, 'INBOX');
  for (const name of names) {
    if (!name.startsWith('.') || name === '.' || name === '..') continue;
    const mailbox = decodeName(name.slice(1)).split('.').join('/');
    files.push(...(await filesIn(join(path, name), mailbox)));
  }
  return { total: files.length, messages: () => readFiles(files) };
}

async function* readFiles(files: readonly MaildirFile[]): AsyncGenerator<StoredMessage> {
  for (const { mailbox, path, flags } of files) {
    const bytes = toNetworkNewlines(await readFile(path));
    const date = Math.floor((await stat(path)).mtimeMs / 1000);
    yield { mailbox, flags, date, bytes, source: path };
  }
}

/** Writes messages into a new maildir; call `finish` at the end. */
export class MaildirWriter {
  readonly #path: string;
  readonly #encodeName: (name: string) => string;
  readonly #keywords = new Map<string, string[]>();
  #count = 0;

  constructor(path: string, encodeName: (name: string) => string) {
    this.#path = path;
    this.#encodeName = encodeName;
  }

  async addMailbox(mailbox: string): Promise<void> {
    for (const part of ['cur', 'new', 'tmp'])
      await mkdir(join(this.#folder(mailbox), part), { recursive: true });
  }

  async write(message: StoredMessage): Promise<void> {
    const folder = this.#folder(message.mailbox);
    const seconds = message.date ?? 0;
    const name = `${seconds}.M${this.#count++}P${process.pid}.${hostname().replaceAll(/[/:]/g, '_')}`;
    const temporary = join(folder, 'tmp', name);
    await writeFile(temporary, toUnixNewlines(message.bytes), { flag: 'wx' });
    await utimes(temporary, seconds, seconds);
    await rename(temporary, join(folder, 'cur', `${name}:2,${this.#letters(message)}`));
  }

  async finish(): Promise<void> {
    for (const [mailbox, keywords] of this.#keywords) {
      const lines = keywords.map((keyword, index) => `${index} ${keyword}\n`).join('');
      await writeFile(join(this.#folder(mailbox), 'dovecot-keywords'), lines);
    }
  }

  #folder(mailbox: string): string {
    if (mailbox === 'INBOX') return this.#path;
    // A dot inside a level would become a level: Dovecot's maildir has the same limit.
    return join(this.#path, `.${this.#encodeName(mailbox.replaceAll('.', '_').split('/').join('.'))}`);
  }

  #letters(message: StoredMessage): string {
    const letters: string[] = [];
    for (const flag of message.flags) {
      const letter = letterByFlag.get(flag.toLowerCase()) ?? this.#keywordLetter(message.mailbox, flag);
      if (letter !== undefined) letters.push(letter);
    }
    return letters.sort().join('');
  }

  #keywordLetter(mailbox: string, keyword: string): string | undefined {
    const keywords = this.#keywords.get(mailbox) ?? [];
    this.#keywords.set(mailbox, keywords);
    let index = keywords.indexOf(keyword);
    if (index < 0 && keywords.length < keywordsMax) index = keywords.push(keyword) - 1;
    return index < 0 ? undefined : String.fromCharCode(97 + index);
  }
}
