// Sessions that end because their account may do less than when they began: noted in the same batch, until whoever ends them has
// been told with success. So a process that dies between the two leaves nothing open: the next start tells again.
// Invariant: a note is taken away only if it is the one that was there before the telling.
// Failures are logged, and the note stays: the change itself is durable.

import type { AccountId } from '../mail/ids.ts';
import type { Entry } from '../storage/engine.ts';
import { accountsToTell, type DirectoryHooks, tellHook } from './hooks.ts';
import { keys, put } from './rows.ts';
import type { DirectoryStore } from './store.ts';

/** `sessions`: of the account's secret, another one each time. */
export function endedSessionsNote(id: AccountId, sessions: string): Entry {
  return put(keys.ending(id), 'address', { account: id, sessions });
}

/** `tell` says whether it succeeded. */
export async function tellOfEnded(
  store: DirectoryStore,
  id: AccountId,
  tell: () => Promise<boolean>,
): Promise<void> {
  const key = keys.ending(id);
  const note = await store.engine.get(key);
  if (!(await tell()) || note === undefined) return;
  try {
    await store.engine.commit({ conditions: [{ key, expected: note }], deletes: [key] });
  } catch (error) {
    store.log.warn({ err: error, accountId: id }, 'that sessions were ended could not be noted');
  }
}

/** At a start: what nobody is known to have been told of. */
export async function tellOfAllEnded(store: DirectoryStore, hooks: DirectoryHooks): Promise<void> {
  for await (const accountId of accountsToTell(store, keys.endings()))
    await tellOfEnded(store, accountId, () =>
      tellHook(store.log, { what: 'sessions', accountId }, () => hooks.onPasswordChanged?.(accountId)),
    );
}
