// All accounts' ids, for whoever has to know of each while there are few of them.

import type { AccountId } from '../mail/ids.ts';
import type { Reader } from '../storage/engine.ts';
import { decodeTuple } from '../storage/tuple.ts';
import { keys } from './rows.ts';

/** An account's row has some hundred bytes, with many aliases some thousand. */
const pageBytesMax = 1024 * 1024;

/** Undefined: there are more than `most`. */
export async function readAccountIds(reader: Reader, most: number): Promise<AccountId[] | undefined> {
  const { start, end } = keys.accounts();
  const ids: AccountId[] = [];
  for (let next: Uint8Array | undefined = start; next !== undefined; ) {
    const limits = { entriesMax: most + 1 - ids.length, bytesMax: pageBytesMax };
    const page = await reader.page({ start: next, end }, limits);
    for (const { key } of page.entries) ids.push(decodeTuple(key)[2] as AccountId);
    if (ids.length > most) return undefined;
    next = page.next;
  }
  return ids;
}
