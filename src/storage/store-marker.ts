// The row that says which format a store is in. Written once when a store is made; read at every opening, so that an
// older Rookery refuses a newer store instead of misreading it (ARCHITECTURE 5).

import { Fault } from '../base/fault.ts';
import type { Engine } from './engine.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { encodeTuple } from './tuple.ts';

/** Rises with every change of keys or records that an older Rookery would misread. */
export const storeFormatVersion = 1;

const markerKey = encodeTuple(['store']);

/** Checks the marker, or writes it into an empty store. Rejects with Fault when the store is newer or damaged. */
export async function checkStoreMarker(engine: Engine, where: string): Promise<void> {
  const found = await engine.get(markerKey);
  if (found === undefined) {
    const value = encodeRecord('store', storeFormatVersion);
    await engine.commit({
      conditions: [{ key: markerKey, expected: undefined }],
      puts: [{ key: markerKey, value }],
    });
    return;
  }
  try {
    decodeRecord('store', storeFormatVersion, found);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(`cannot open the store in ${where}: ${reason}`, { temporary: false, cause });
  }
}
