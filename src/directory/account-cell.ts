// The cell of an account, read from the engine: for a node whose directory is still being opened (InternalDirectory.cellOf).
// Fails with the engine's faults, and with RecordDamaged.

import type { AccountId } from '../mail/ids.ts';
import type { Engine } from '../storage/engine.ts';
import { decodeAccount, keys } from './rows.ts';

/** Undefined: there is no such account. */
export async function storedCellOf(engine: Pick<Engine, 'get'>, id: AccountId): Promise<string | undefined> {
  const bytes = await engine.get(keys.account(id));
  return bytes && decodeAccount(bytes).cell;
}
