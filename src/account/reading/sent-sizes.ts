// The sizes of a mailbox's messages as POP3 sends them: those stored, and what was noted of the few that are sent longer.
// Invariant: no message is read for it, and nothing at all but one empty range where every message has CRLF lines.
// A damaged note counts as none: the client is told the size stored; store check makes the note again.

import type { Clock } from '../../base/clock.ts';
import type { Reader } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { eachEntry } from '../account-state.ts';
import type { MessageColumns } from '../port.ts';
import type { SentSizes } from '../port-reads.ts';
import { type AccountKeys, numberBehind } from '../records/account-keys.ts';
import { decodeSentSize } from '../records/email-record.ts';

export async function sentSizes(
  { engine, clock }: { readonly engine: Reader; readonly clock: Clock },
  keys: AccountKeys,
  { uids, sizes, emailIds }: Pick<MessageColumns, 'uids' | 'sizes' | 'emailIds'>,
): Promise<SentSizes> {
  let places: ReadonlyMap<number, readonly number[]> | undefined;
  const surrogateSizes = sizes.slice();
  const range = keys.rows('w');
  await eachEntry(engine, range, clock, ({ key, value }) => {
    const noted = unlessDamaged(() => decodeSentSize(value));
    if (noted === undefined) return;
    places ??= placesOf(emailIds);
    for (const index of places.get(numberBehind(key, range.prefixLength)) ?? []) {
      sizes[index]! += noted.lineEnds;
      surrogateSizes[index]! += noted.lineEnds + noted.surrogate;
    }
  });
  return { uids, sizes, surrogateSizes };
}

/** An email may be in a mailbox more than once. */
function placesOf(emailIds: Float64Array): ReadonlyMap<number, readonly number[]> {
  const places = new Map<number, number[]>();
  for (const [index, emailId] of emailIds.entries()) {
    const known = places.get(emailId);
    if (known === undefined) places.set(emailId, [index]);
    else known.push(index);
  }
  return places;
}
