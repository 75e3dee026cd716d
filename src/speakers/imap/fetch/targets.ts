// The messages of one window of a FETCH: their columns and message numbers, in parallel. Pure.

import type { MessageColumns } from '../../../account/port.ts';

export interface Targets {
  /** The FETCH's own: flags are written into them when it sets \Seen. */
  readonly columns: MessageColumns;
  /** Message numbers, one a row. */
  readonly sequences: Uint32Array;
  readonly count: number;
}

/**
 * Rows of `columns` with their numbers; `uids` are the window's, `places` their places in the view. Columns may lack
 * some (expunged), never have more. With `changedSince` only rows changed after it (RFC 7162 3.1.4.1).
 */
export function targetsOf(
  columns: MessageColumns,
  window: { readonly uids: Uint32Array; readonly places: Uint32Array },
  changedSince: number | undefined,
): Targets {
  const count = columns.uids.length;
  const sequences = new Uint32Array(count);
  let at = 0;
  for (let row = 0; row < count; row++) {
    while (window.uids[at] !== columns.uids[row]) at++;
    sequences[row] = window.places[at]! + 1;
  }
  if (changedSince === undefined) return { columns, sequences, count };
  const changed = (_: number, row: number) => columns.modSeqs[row]! > changedSince;
  const kept: MessageColumns = {
    uids: columns.uids.filter(changed),
    flagsLow: columns.flagsLow.filter(changed),
    flagsHigh: columns.flagsHigh.filter(changed),
    modSeqs: columns.modSeqs.filter(changed),
    sizes: columns.sizes.filter(changed),
    internalDates: columns.internalDates.filter(changed),
    saveDates: columns.saveDates.filter(changed),
    emailIds: columns.emailIds.filter(changed),
  };
  return { columns: kept, sequences: sequences.filter(changed), count: kept.uids.length };
}
