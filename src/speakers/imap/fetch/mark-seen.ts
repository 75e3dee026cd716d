// Sets \Seen on messages whose parts are fetched without PEEK (RFC 9051 6.4.5), a piece of them in one change, and
// keeps the columns of the FETCH true. That it cannot be done (a full disk) must not keep anybody from reading.

import { forgetRenamed } from '../../../account/table/keyword-table.ts';
import { flagSeen } from '../../../mail/flags.ts';
import { errorResponse } from '../mail-error-responses.ts';
import { type ImapSession, viewOf } from '../session.ts';
import type { Targets } from './targets.ts';

export interface Seen {
  /** UIDs whose flags changed: to be told with their answers. */
  readonly uids: ReadonlySet<number>;
  /** The mailbox's that name the flags of all rows now. */
  readonly keywords: readonly string[];
}

/** Rows `from` to `to` are about to be answered, but for those that are `gone`. */
export async function markSeen(
  session: ImapSession,
  targets: Targets,
  rows: { readonly from: number; readonly to: number; gone(row: number): boolean },
): Promise<Seen | undefined> {
  const view = viewOf(session);
  const { uids, flagsLow, flagsHigh, modSeqs } = targets.columns;
  const unseen: number[] = [];
  for (let row = rows.from; row < rows.to; row++) {
    if ((flagsLow[row]! & flagSeen) === 0 && !rows.gone(row)) unseen.push(uids[row]!);
  }
  // RFC 4314 section 4: not set, and nothing is said of it.
  if (unseen.length === 0 || !view.rights.includes('s')) return undefined;
  try {
    const stored = await view.account.storeFlags({
      operation: session.operation(),
      mailboxId: view.mailboxId,
      uids: Uint32Array.from(unseen),
      mode: 'add',
      flags: ['\\Seen'],
      unchangedSince: undefined,
    });
    // With a FETCH that tells flags these are the names that its columns were read with.
    forgetRenamed(targets.columns, view.keywords, stored.keywords);
    let row = rows.from;
    stored.messages.uids.forEach((uid, at) => {
      while (uids[row] !== uid) row++;
      flagsLow[row] = stored.messages.flagsLow[at]!;
      flagsHigh[row] = stored.messages.flagsHigh[at]!;
      modSeqs[row] = stored.messages.modSeqs[at]!;
    });
    view.answered(stored.messages.uids, stored.messages.modSeqs);
    return { uids: new Set(stored.messages.uids), keywords: stored.keywords };
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'seen flags could not be set');
    return undefined;
  }
}
