// COPY and MOVE from one account into another: messages are read here and appended there, a bounded piece at a time.
// Invariants: a message leaves its mailbox only after its copy is durable, and no copy is taken back once that has begun:
// whatever fails, and wherever a crash comes, nothing is lost. A MOVE that was cut off leaves at most one piece in both
// mailboxes. A COPY that fails takes back what it had copied (RFC 9051 6.4.7: all or none); where the rights do not allow that,
// one of several pieces is refused. One that a crash cut off leaves the pieces that were copied, one that lost the other
// account's answer perhaps the piece that it was about.
// Fails as both accounts do.

import type { Appended, Copied, MailboxInfo, MessageColumns, NewMessage } from '../../account/port.ts';
import { prepareMessage } from '../../account/prepare.ts';
import { flagNames } from '../../mail/flags.ts';
import type { ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { errorResponse } from './mail-error-responses.ts';
import { type MailboxLocation, type PlacedMailbox, placedAt } from './mailbox-location.ts';
import { no, type Reply } from './reply.ts';
import type { ImapSession } from './session.ts';
import type { MailboxView } from './view.ts';

/** Messages of one append, and what is in memory of them: as much as one APPEND may bring. */
const pieceMessagesMax = 100;
const bytesPerPull = 1024 * 1024;
/** How long it waits for memory. */
const budgetWaitMs = 30_000;

interface Between {
  readonly session: ImapSession;
  readonly view: MailboxView;
  readonly target: PlacedMailbox;
  readonly move: boolean;
}

const tooMuchToTakeBack = no('Too many messages for a mailbox from which nothing may be taken back', 'LIMIT');

/** `uids`: of the view. Refuses as a copy within an account does. What was copied, or the answer that says why nothing was. */
export async function copyBetweenAccounts(
  session: ImapSession,
  { view, uids, to, move }: { view: MailboxView; uids: Uint32Array; to: MailboxLocation; move: boolean },
): Promise<Copied | Reply> {
  const [found, source] = await Promise.all([
    to.account.findMailbox({ name: to.name }),
    view.account.findMailbox({ id: view.mailboxId }),
  ]);
  if (found === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  // The selected mailbox is gone: the client is told that of the messages, and then goodbye.
  if (source === undefined) throw new MailError('noSuchMessage', 'the messages are gone');
  // Before anything is copied: what may not be taken away would be there twice.
  if (move) requireTakingAway(source);
  const target = placedAt(to, found);
  const columns = await view.account.columns(view.mailboxId, uids.slice().sort());
  const pieces = piecesOf(columns, session.environment.limits.appendBytesMax);
  if (!move && pieces.length > 1 && !mayTakeAway(target)) return tooMuchToTakeBack;
  const between = { session, view, target, move };
  const appended: Appended[] = [];
  let modSeq = 0 as ModSeq;
  try {
    for (const piece of pieces) {
      appended.push(await copyPiece(between, columns, { ...piece, keywords: source.keywords }));
      if (move) modSeq = await takeAway(between, columns.uids.slice(piece.from, piece.to));
    }
  } catch (error) {
    if (!move && appended.length > 0) await takeBack(session, target, appended);
    throw error;
  }
  return {
    to: found.id,
    uidValidity: found.uidValidity,
    sourceUids: columns.uids,
    targetUids: Uint32Array.from(appended.flatMap(({ uids: given }) => [...given])),
    modSeq,
  };
}

interface Piece {
  /** Rows. */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

function piecesOf({ sizes }: MessageColumns, bytesMax: number): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < sizes.length; ) {
    let to = from;
    let bytes = 0;
    do bytes += sizes[to++]!;
    while (to < sizes.length && to - from < pieceMessagesMax && bytes + sizes[to]! <= bytesMax);
    pieces.push({ from, to, bytes });
    from = to;
  }
  return pieces;
}

async function copyPiece(
  { session, view, target }: Between,
  columns: MessageColumns,
  { from, to, bytes, keywords }: Piece & { readonly keywords: readonly string[] },
): Promise<Appended> {
  const { environment } = session;
  if (!(await environment.messageBytes.acquire(bytes, budgetWaitMs)))
    throw new MailError('unavailable', 'no memory for the messages');
  try {
    const messages: NewMessage[] = [];
    for (let row = from; row < to; row++) {
      const whole = await wholeMessage(view, columns.uids[row]! as Uid, columns.sizes[row]!);
      messages.push({
        prepared: await prepareMessage(whole, environment),
        flags: flagNames(columns.flagsLow[row]!, columns.flagsHigh[row]!, keywords),
        internalDate: columns.internalDates[row]!,
      });
    }
    const operation = session.operation();
    return await target.account.append({ operation, target: { id: target.id }, messages });
  } finally {
    environment.messageBytes.release(bytes);
  }
}

async function wholeMessage(view: MailboxView, uid: Uid, size: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; offset < size; ) {
    const range = { offset, length: Math.min(bytesPerPull, size - offset) };
    const bytes = await view.account.readRange(view.mailboxId, uid, range);
    // RFC 9051 6.4.7: all or none.
    if (bytes === undefined || bytes.length === 0) throw new MailError('noSuchMessage', 'a message is gone');
    pieces.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat(pieces, size);
}

async function takeAway({ session, view }: Between, uids: Uint32Array): Promise<ModSeq> {
  const operation: OperationId = session.operation();
  // Those that went are told, whatever becomes of the rest.
  session.stale = true;
  const { mailboxId } = view;
  return (await view.account.expunge({ operation, mailboxId, uids, anyFlags: true })).modSeq;
}

/** Throws permissionDenied when messages may not be taken away from the mailbox. */
export function requireTakingAway(source: MailboxInfo): void {
  if (!mayTakeAway(source)) throw new MailError('permissionDenied', 'messages may not be taken away');
}

function mayTakeAway({ rights }: MailboxInfo): boolean {
  return ['r', 't', 'e'].every((right) => rights.includes(right));
}

/** What was stored in `target`, where the rights allow it; what they do not allow is logged. */
export async function takeBack(
  session: ImapSession,
  { account, id: mailboxId }: Pick<PlacedMailbox, 'account' | 'id'>,
  appended: readonly Appended[],
): Promise<void> {
  const uids = Uint32Array.from(appended.flatMap(({ uids: given }) => [...given]));
  const operation = session.operation();
  try {
    await account.expunge({ operation, mailboxId, uids, anyFlags: true });
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'what was stored could not be taken back');
  }
}
