// GETQUOTA and GETQUOTAROOT (RFC 9208): one quota root, '', for all of an account. SETQUOTA is not offered: limits are the
// administrator's, who sets them in the directory, where they also outlive the account's storage.

import type { QuotaStatus } from '../../../account/port.ts';
import type { GetQuotaCommand, GetQuotaRootCommand } from '../../../wire/imap/command.ts';
import { formatQuota, formatQuotaRoot } from '../../../wire/imap/format-quota.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

const accountRoot = '';
const done = ok('Getquota completed');
/** RFC 9208 5.1: STORAGE counts in units of 1024 octets. */
const storageUnitBytes = 1024;

export async function getQuota(session: ImapSession, command: GetQuotaCommand): Promise<Reply> {
  if (command.root !== accountRoot) return no('No such quota root', 'NONEXISTENT');
  session.connection.write(quotaResponse(await accountOf(session).quota()));
  return done;
}

/** The mailbox need not exist (4.1.2). */
export async function getQuotaRoot(session: ImapSession, command: GetQuotaRootCommand): Promise<Reply> {
  const quota = await accountOf(session).quota();
  session.connection.write(formatQuotaRoot(command.mailbox, [accountRoot], session) + quotaResponse(quota));
  return done;
}

function quotaResponse({ bytesUsed, bytesMax, messagesUsed, messagesMax }: QuotaStatus): string {
  const resources: { name: string; used: number; max: number }[] = [];
  if (bytesMax !== undefined) {
    const used = Math.ceil(bytesUsed / storageUnitBytes);
    resources.push({ name: 'STORAGE', used, max: Math.floor(bytesMax / storageUnitBytes) });
  }
  if (messagesMax !== undefined) resources.push({ name: 'MESSAGE', used: messagesUsed, max: messagesMax });
  return formatQuota(accountRoot, resources);
}
