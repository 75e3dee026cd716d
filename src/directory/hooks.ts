// Who is told of changes to accounts. The directory knows nothing of mailboxes: their storage follows by these hooks.

import type { Logger } from '../base/log.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Range } from '../storage/engine.ts';
import type { DirectoryAccount } from './directory.ts';
import { decodeAddress } from './rows.ts';
import type { DirectoryStore } from './store.ts';

/**
 * Told after the directory's commit is durable and before the call is answered. The accounts' storage hears here of
 * accounts that come and go. A hook that fails is logged: storage is made on first open as well, and a removal
 * is told again at the next start until the hook has succeeded once.
 */
export interface DirectoryHooks {
  readonly onAccountAdded?: (account: DirectoryAccount) => Promise<void>;
  /** Quota, addresses, switches: sessions of an account that is no longer enabled end. */
  readonly onAccountChanged?: (account: DirectoryAccount, before: DirectoryAccount) => Promise<void>;
  /** A password was changed or an app password removed: sessions that logged in with it end. Told again at a start, too. */
  readonly onPasswordChanged?: (id: AccountId) => Promise<void>;
  readonly onAccountRemoved?: (id: AccountId) => Promise<void>;
}

/** Waits for a hook. What it throws is logged and answered with false: the directory's change is durable and stays. */
export async function tellHook(
  log: Logger,
  about: { readonly what: string; readonly accountId: AccountId },
  hook: () => Promise<void> | undefined,
): Promise<boolean> {
  try {
    await hook();
    return true;
  } catch (error) {
    log.error({ err: error, ...about }, 'the directory changed an account, its storage did not follow');
    return false;
  }
}

/** At a start: the accounts that the notes in `range` name, of which a hook has perhaps not been told. */
export async function* accountsToTell(store: DirectoryStore, range: Range): AsyncGenerator<AccountId> {
  const { entries } = await store.engine.page(range, { entriesMax: 10_000, bytesMax: 16 * 1024 * 1024 });
  for (const { value } of entries) {
    const row = decodeAddress(value);
    if ('account' in row) yield row.account;
  }
}
