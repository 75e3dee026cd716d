// rookery import maildir|mbox|eml PATH --account A, rookery export maildir|mbox PATH --account A

import { readdir } from 'node:fs/promises';
import type { Command } from 'commander';
import { decodeMailboxName, encodeMailboxName } from '../../wire/imap/mailbox-name.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { openEml } from '../mailstore/eml.ts';
import { MaildirWriter, openMaildir } from '../mailstore/maildir.ts';
import { MboxWriter, openMbox } from '../mailstore/mbox.ts';
import type { MessageSource, StoredMessage } from '../mailstore/stored-message.ts';
import { parseWholeNumber } from '../parse-option.ts';
import { type CommandContext, withContext } from '../program-context.ts';
import { openProgress } from '../progress.ts';
import { accountPath } from './account.ts';

interface ImportOptions {
  readonly account: string;
  readonly mailbox?: string;
  readonly skip?: number;
  readonly duplicates?: boolean;
}

const sources: Record<string, (path: string) => Promise<MessageSource>> = {
  maildir: (path) => openMaildir(path, folderName),
  mbox: openMbox,
  eml: openEml,
};

const descriptions: Record<string, string> = {
  maildir: 'import a maildir, folders too',
  mbox: 'import an mbox file, or a directory of them: each is a mailbox',
  eml: 'import an .eml file, or a directory of them: directories below it are mailboxes',
};

/** Modified UTF-7 when it reads as such, else the name as it is. */
function folderName(name: string): string {
  return decodeMailboxName(name, false) ?? name;
}

export function addImportCommands(program: Command): void {
  const command = program
    .command('import')
    .description(
      'bring mail in from files, keeping dates, flags and folders; what is there already is left as it is',
    );
  for (const [format, open] of Object.entries(sources)) {
    command
      .command(`${format} <path>`)
      .description(descriptions[format]!)
      .requiredOption('--account <account>', 'whose mail it is')
      .option('--mailbox <name>', 'put all of it there instead of the folders it was in')
      .option(
        '--skip <number>',
        'leave out the first ones: quicker than finding that they are there already',
        parseWholeNumber,
      )
      .option('--duplicates', 'import again what is in the mailbox already, byte for byte')
      .action(
        withContext(async (context, path: string, options: ImportOptions) =>
          importAll(context, await open(path), options),
        ),
      );
  }
}

/** No such account, no server: it is not the first message's fault. */
function isOfAll(error: unknown, done: number): boolean {
  return done === 0 && error instanceof CommandFailure && error.exitCode !== exitCodes.failure;
}

async function importAll(
  { client, output }: CommandContext,
  source: MessageSource,
  options: ImportOptions,
): Promise<void> {
  const progress = openProgress('messages', output.interactive && !output.json);
  const { skip = 0 } = options;
  let taken = 0;
  let done = 0;
  let alreadyThere = 0;
  const upload = async (message: StoredMessage): Promise<void> => {
    const query = {
      mailbox: options.mailbox ?? message.mailbox,
      flags: message.flags.join(','),
      date: message.date,
      ifNew: String(options.duplicates !== true),
    };
    const path = `${accountPath(options.account)}/messages`;
    const stored = await client
      .call<{ uid: number | null }>({ method: 'POST', path, query, body: message.bytes })
      .catch((error: Error) => {
        throw isOfAll(error, done) ? error : new CommandFailure(`${message.source}: ${error.message}`);
      });
    done++;
    if (stored.uid === null) alreadyThere++;
    progress.update(done + skip, source.total, alreadyThere === 0 ? '' : `${alreadyThere} already there`);
  };
  try {
    // One after the other: UIDs rise in the order the messages had.
    for await (const message of source.messages()) if (taken++ >= skip) await upload(message);
  } catch (error) {
    progress.stop();
    if (isOfAll(error, done)) throw error;
    const told =
      `${done} of ${source.total} messages are in the account; mend the cause and run it again: ` +
      `what is there is left as it is (--skip ${skip + done} goes on without looking)`;
    throw new CommandFailure(`${(error as Error).message}\n${told}`);
  }
  progress.stop();
  output.record({ account: options.account, imported: done - alreadyThere, alreadyThere });
}

interface ExportedMailbox {
  readonly id: number;
  readonly name: string;
  readonly selectable: boolean;
  readonly messages: number;
}

interface ExportedRow {
  readonly uid: number;
  readonly flags: string[];
  readonly internalDate: number;
}

export function addExportCommands(program: Command): void {
  const command = program
    .command('export')
    .description("write an account's mail to files, keeping dates, flags and folders");
  for (const [format, open] of Object.entries({
    maildir: (path: string) => new MaildirWriter(path, (name) => encodeMailboxName(name, false)),
    mbox: (path: string) => new MboxWriter(path),
  })) {
    command
      .command(`${format} <path>`)
      .description(`export into a new ${format === 'mbox' ? 'directory of mbox files' : 'maildir'}`)
      .requiredOption('--account <account>', 'whose mail')
      .action(
        withContext(async (context, path: string, options: { account: string }) => {
          if ((await readdir(path).catch(() => [])).length > 0)
            throw new CommandFailure(`${path} is not empty: name a new directory`);
          await exportAll(context, open(path), options.account);
        }),
      );
  }
}

async function exportAll(
  { client, output }: CommandContext,
  writer: MaildirWriter | MboxWriter,
  account: string,
): Promise<void> {
  const { items } = await client.call<{ items: ExportedMailbox[] }>({
    path: `${accountPath(account)}/mailboxes`,
  });
  const mailboxes = items.filter((mailbox) => mailbox.selectable);
  const total = mailboxes.reduce((sum, mailbox) => sum + mailbox.messages, 0);
  const progress = openProgress('messages', output.interactive && !output.json);
  let done = 0;
  for (const mailbox of mailboxes) {
    await writer.addMailbox(mailbox.name);
    const path = `${accountPath(account)}/mailboxes/${mailbox.id}/messages`;
    for await (const row of client.items<ExportedRow>(path)) {
      const bytes = await client.download({ path: `${path}/${row.uid}` });
      await writer.write({
        mailbox: mailbox.name,
        flags: row.flags,
        date: row.internalDate,
        bytes,
        source: '',
      });
      progress.update(++done, total);
    }
  }
  await writer.finish();
  progress.stop();
  output.record({ account, mailboxes: mailboxes.length, exported: done });
}
