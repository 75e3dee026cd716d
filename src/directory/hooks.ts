// Who is told of changes to accounts. The directory knows nothing of mailboxes: their storage follows by these hooks.

import type { Logger } from '../base/log.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Bytes, Range } from '../storage/engine.ts';
import { unlessDamaged } from '../storage/record.ts';
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
  /** Quota, addresses, switches: sessions end when the account may do less (endsSessions). */
  readonly onAccountChanged?: (account: DirectoryAccount, before: DirectoryAccount) => Promise<void>;
  /** A password stopped being one, or the domain was disabled: sessions of the account end. Told again until it succeeds. */
  readonly onSessionsEnded?: (id: AccountId) => Promise<void>;
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

/** A row that says of which account a hook has perhaps not been told. */
export interface AccountNote {
  readonly id: AccountId;
  readonly key: Bytes;
  readonly value: Bytes;
}

/** Those in `range`, as many at once. One that is damaged is passed by: a store check makes it again. */
export async function* accountNotes(
  store: DirectoryStore,
  { start, end }: Range,
  entriesMax: number,
): AsyncGenerator<AccountNote[]> {
  for (let from: Bytes | undefined = start; from !== undefined; ) {
    const { entries, next } = await store.engine.page(
      { start: from, end },
      { entriesMax, bytesMax: 1024 * 1024 },
    );
    yield entries.flatMap((entry) => {
      const row = unlessDamaged(() => decodeAddress(entry.value));
      return row !== undefined && 'account' in row ? [{ ...entry, id: row.account }] : [];
    });
    from = next;
  }
}
