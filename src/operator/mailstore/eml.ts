// .eml: one file a message, or a directory of them; directories below it are mailboxes. The file's time is the date.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailure } from '../exit-codes.ts';
import { type MessageSource, type StoredMessage, toNetworkNewlines } from './stored-message.ts';

interface EmlFile {
  readonly mailbox: string;
  readonly path: string;
}

async function emlFiles(directory: string, mailbox: string): Promise<EmlFile[]> {
  const files: EmlFile[] = [];
  for (const entry of (await readdir(directory, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(directory, entry.name);
    const below = mailbox === 'INBOX' ? entry.name : `${mailbox}/${entry.name}`;
    if (entry.isDirectory()) files.push(...(await emlFiles(path, below)));
    else if (/\.eml$/i.test(entry.name)) files.push({ mailbox, path });
  }
  return files;
}

export async function openEml(path: string): Promise<MessageSource> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) throw new CommandFailure(`${path} does not exist`);
  const files = status.isDirectory() ? await emlFiles(path, 'INBOX') : [{ mailbox: 'INBOX', path }];
  if (files.length === 0) throw new CommandFailure(`${path} has no .eml files in it`);
  async function* messages(): AsyncGenerator<StoredMessage> {
    for (const file of files) {
      const date = Math.floor((await stat(file.path)).mtimeMs / 1000);
      yield {
        mailbox: file.mailbox,
        flags: [],
        date,
        bytes: toNetworkNewlines(await readFile(file.path)),
        source: file.path,
      };
    }
  }
  return { total: files.length, messages };
}
