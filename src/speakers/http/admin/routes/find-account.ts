// Accounts are named in URLs by address or by id.

import type { Directory, DirectoryAccount } from '../../../../directory/directory.ts';
import type { AccountId } from '../../../../mail/ids.ts';
import { MailError } from '../../../../mail/mail-error.ts';

/** Refuses with noSuchAccount. */
export async function findAccount(directory: Directory, name: string): Promise<DirectoryAccount> {
  const account = name.includes('@')
    ? await directory.accountByAddress(name)
    : await directory.account(name as AccountId);
  if (account === undefined)
    throw new MailError(
      'noSuchAccount',
      `there is no account ${name}; \`rookery account list\` shows those there are`,
    );
  return account;
}
