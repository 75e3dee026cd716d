// Tells a client what changed in its selected mailbox since it was last told: EXPUNGE, EXISTS, RECENT, FLAGS and
// FETCH responses (RFC 9051 7.4, 7.5; RFC 7162 3.2). Invariant: EXPUNGE only when the caller says it may, and never
// outside a command or IDLE. Failures of the account pass through; the view is then as it was.

import type { MailboxChanges } from '../../account/port.ts';
import type { ChangesOptions } from '../../account/port-reads.ts';
import { Slicer } from '../../base/slicer.ts';
import type { FetchItem } from '../../wire/imap/message-command.ts';
import { formatSequenceSet } from '../../wire/imap/sequence-set.ts';
import { FetchRun } from './fetch/fetch-run.ts';
import { tellFlagLines } from './fetch/flag-lines.ts';
import { flagsResponses } from './flag-text.ts';
import { tellLeaving, tellResults } from './search-updates.ts';
import { type ImapSession, viewOf } from './session.ts';
import type { MailboxView, ViewUpdate } from './view.ts';

/** Messages told between two looks at the connection's back-pressure. */
const batchMessages = 512;

const claiming: ChangesOptions = { claimRecent: true };

/**
 * Asks the account what changed and tells it, or what of it NOTIFY asked for: without MessageNew and MessageExpunge the view
 * stays as it is, unless the command's own answer is among the updates (`forced`).
 */
export async function tellUpdates(session: ImapSession, mayExpunge: boolean, forced = false): Promise<void> {
  const view = viewOf(session);
  const { notifications } = session;
  if (notifications !== undefined && notifications.selected?.messages !== true && !forced) {
    session.stale = false;
    return;
  }
  const { account } = view;
  session.stale = false;
  let changes: MailboxChanges;
  try {
    changes = await account.changesSince(view.mailboxId, view.modSeq, claims(session, view));
  } catch (error) {
    session.stale = true;
    throw error;
  }
  if (!changes.exists || changes.uidValidity !== view.uidValidity) {
    session.farewell = 'Selected mailbox is no longer there';
    return;
  }
  const allUids = changes.incomplete ? (await account.columns(view.mailboxId, undefined)).uids : undefined;
  if (mayExpunge) tellLeaving(session, changes, allUids);
  const firstNew = view.uidNext;
  const update = view.advance(changes, mayExpunge, allUids);
  await tell(session, view, changes, update);
  if (session.searchUpdates !== undefined) await tellResults(session);
  const fetch = notifications?.selected?.fetch;
  if (fetch !== undefined && update.exists !== undefined) await fetchNew(session, view, firstNew, fetch);
}

/** EXAMINE takes \Recent from nobody (RFC 3501 6.3.2), and IMAP4rev2 has none. */
function claims({ revision2 }: ImapSession, { examines }: MailboxView): ChangesOptions | undefined {
  return revision2 || examines ? undefined : claiming;
}

/** What NOTIFY asked to be told of new messages (RFC 5465 5.2). */
async function fetchNew(
  session: ImapSession,
  view: MailboxView,
  firstNew: number,
  items: readonly FetchItem[],
): Promise<void> {
  const from = view.indexFrom(firstNew);
  const uids = view.uids.slice(from);
  const places = Uint32Array.from(uids, (_, index) => from + index);
  const set = { saved: false, ranges: [] };
  const fetch = {
    tag: '',
    name: 'FETCH',
    uid: false,
    set,
    items,
    changedSince: undefined,
    vanished: false,
    partial: undefined,
  } as const;
  await new FetchRun(session, fetch, uids.length).run(uids, places);
}

/** True when `tellUpdates` may have something to say. */
export function hasUpdates(session: ImapSession, mayExpunge: boolean): boolean {
  return session.stale || (mayExpunge && session.view?.owesExpunge === true);
}

async function tell(
  session: ImapSession,
  view: MailboxView,
  changes: MailboxChanges,
  update: ViewUpdate,
): Promise<void> {
  const { connection } = session;
  await tellExpunged(session, update);
  if (update.exists !== undefined) {
    connection.write(`* ${update.exists} EXISTS\r\n`);
    if (!session.revision2) connection.write(`* ${view.recent} RECENT\r\n`);
  }
  if (update.flags) connection.write(flagsResponses(view));
  if (update.changed.length === 0 || session.notifications?.selected?.flags === false) return;
  session.toldModSeq = Math.max(session.toldModSeq, changes.modSeq);
  await tellFlagLines(session, {
    columns: changes.changed,
    rows: update.changed,
    keywords: view.keywords,
    hasFlags: true,
  });
}

async function tellExpunged(session: ImapSession, { expunged, vanished }: ViewUpdate): Promise<void> {
  if (!session.qresync && !session.uidOnly) {
    await tellInBatches(session, expunged.length, (at) => `* ${expunged[at]} EXPUNGE\r\n`);
  } else if (vanished.length > 0) {
    session.connection.write(`* VANISHED ${formatSequenceSet(vanished)}\r\n`);
  }
}

/** Writes `count` lines, minding the client's pace and the other sessions' turns. */
async function tellInBatches(
  session: ImapSession,
  count: number,
  line: (index: number) => string,
): Promise<void> {
  const { connection, environment } = session;
  const slicer = count > batchMessages ? new Slicer(environment.clock) : undefined;
  for (let at = 0; at < count; ) {
    const end = Math.min(count, at + batchMessages);
    let text = '';
    for (; at < end; at++) text += line(at);
    connection.write(text);
    if (connection.congested) await connection.drain();
    if (slicer?.due()) await slicer.rest();
  }
}
