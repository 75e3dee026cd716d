// Which commands each profile has. One row a command, one small file a command.

import type { SmtpCommand } from './command.ts';
import { authCommand } from './commands/auth.ts';
import { bdatCommand } from './commands/bdat.ts';
import { dataCommand } from './commands/data.ts';
import { ehloCommand, heloCommand, lhloCommand } from './commands/hello.ts';
import { helpCommand } from './commands/help.ts';
import { mailCommand } from './commands/mail.ts';
import { noopCommand, quitCommand, rsetCommand } from './commands/plain.ts';
import { rcptCommand } from './commands/rcpt.ts';
import { startTlsCommand } from './commands/start-tls.ts';
import { expnCommand, vrfyCommand } from './commands/verify.ts';
import type { SmtpProfile } from './smtp-profile.ts';

const common: readonly SmtpCommand[] = [
  mailCommand,
  rcptCommand,
  dataCommand,
  bdatCommand,
  rsetCommand,
  noopCommand,
  quitCommand,
  startTlsCommand,
  vrfyCommand,
  expnCommand,
  helpCommand,
];

const table = (...rows: readonly SmtpCommand[]): ReadonlyMap<string, SmtpCommand> =>
  new Map(rows.map((row) => [row.verb, row]));

export const commandTables: Readonly<Record<SmtpProfile['name'], ReadonlyMap<string, SmtpCommand>>> = {
  mx: table(...common, ehloCommand, heloCommand),
  submission: table(...common, ehloCommand, heloCommand, authCommand),
  // RFC 2033 4.1: neither HELO nor EHLO.
  lmtp: table(...common, lhloCommand),
};
