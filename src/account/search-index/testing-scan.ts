// What tests of the search index need: delivered messages, and what a scan of their bytes finds. Not part of the program.

import { systemClock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import type { LocalAccount } from '../local-account.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { searchMailbox } from '../search/search.ts';
import { newMessage, newOperation, type TestHosts, testAccountId } from '../testing.ts';

/** Into the inbox, in one operation. */
export async function deliver(account: LocalAccount, messages: readonly Buffer[]): Promise<MailboxId> {
  const target = { role: 'inbox' } as const;
  const given = messages.map((bytes) => newMessage(bytes));
  return (await account.append({ operation: newOperation(), target, messages: given })).mailboxId;
}

/** Uids that a search without an index finds. */
export async function scanned(
  opened: TestHosts,
  account: LocalAccount,
  { mailbox, key }: { readonly mailbox: MailboxId; readonly key: SearchKey },
): Promise<number[]> {
  const found = await searchMailbox({
    engine: opened.engine,
    blobs: opened.blobs,
    keys: new AccountKeys(testAccountId),
    inlineBytesMax: 64 * 1024,
    clock: systemClock,
    columns: await account.columns(mailbox, undefined),
    keywords: [],
    key,
  });
  return [...found];
}
