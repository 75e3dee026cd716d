// The row that says which format a store is in. Written once when a store is made; read at every opening, so that an
// older Rookery refuses a newer store instead of misreading it (ARCHITECTURE 5).

import { Fault } from '../base/fault.ts';
import type { Engine } from './engine.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { encodeTuple } from './tuple.ts';

/**
 * Rises with every change of files, keys or records that an older Rookery would misread.
 * 2: the embedded engine has a journal beside the LMDB file.
 * 3: message rows may be in pages.
 * 4: that journal has two files.
 */
export const storeFormatVersion = 4;

const markerKey = encodeTuple(['store']);

/** Checks the marker; writes it into an empty store or one of an older format. Rejects with Fault when the store is newer or damaged. */
export async function checkStoreMarker(engine: Engine, where: string): Promise<void> {
  const found = await engine.get(markerKey);
  if (found !== undefined && formatOf(found, where) === storeFormatVersion) return;
  await engine.commit({
    conditions: [{ key: markerKey, expected: found }],
    puts: [{ key: markerKey, value: encodeRecord('store', storeFormatVersion) }],
    // A server whose disk is full must start, so that its users can make room.
    fromReserve: true,
  });
}

function formatOf(marker: Uint8Array, where: string): number {
  try {
    return decodeRecord('store', storeFormatVersion, marker).version;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(`cannot open the store in ${where}: ${reason}`, { temporary: false, cause });
  }
}
