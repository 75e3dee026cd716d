// COPY and MOVE from one account into another: messages are read here and appended there, a bounded piece at a time.
// Invariants: a COPY is all or nothing, whatever fails and wherever a crash comes (RFC 9051 6.4.7): of several pieces none
// is seen before all are there (staged-append.ts). A message that is moved leaves its mailbox only after its copy is durable;
// a MOVE goes piece by piece, so that one that was cut off leaves at most one piece in both mailboxes (RFC 6851 3.3 asks that
// of each message, not of all together).
// Fails as both accounts do.

import type { Appended, Copied, MailboxColumns, MailboxInfo, NewMessage } from '../../account/port.ts';
import { prepareMessage } from '../../account/prepare.ts';
import { flagNames } from '../../mail/flags.ts';
import type { ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { errorResponse } from './mail-error-responses.ts';
import { type MailboxLocation, type PlacedMailbox, placedAt } from './mailbox-location.ts';
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
  /** Of the messages. */
  readonly columns: MailboxColumns;
}

/** `uids`: of the view. Refuses as a copy within an account does. */
export async function copyBetweenAccounts(
  session: ImapSession,
  { view, uids, to, move }: { view: MailboxView; uids: Uint32Array; to: MailboxLocation; move: boolean },
): Promise<Copied> {
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
  const between = { session, view, target, columns };
  if (!move && pieces.length > 1) return copyStaged(between, pieces);
  const appended: Appended[] = [];
  let modSeq = 0 as ModSeq;
  for (const piece of pieces) {
    appended.push(
      await withMessages(between, piece, (messages) => {
        const operation = session.operation();
        return target.account.append({ operation, target: { id: target.id }, messages });
      }),
    );
    if (move) modSeq = await takeAway(between, columns.uids.slice(piece.from, piece.to));
  }
  return {
    to: found.id,
    uidValidity: found.uidValidity,
    sourceUids: columns.uids,
    targetUids: Uint32Array.from(appended.flatMap(({ uids: given }) => [...given])),
    modSeq,
  };
}

/** Whatever fails, nothing is left; unless it was the answer to the last call that was lost: then perhaps all is there. */
async function copyStaged(between: Between, pieces: readonly Piece[]): Promise<Copied> {
  const { session, target, columns } = between;
  const { account, id } = target;
  const staging = session.operation();
  try {
    for (const piece of pieces) {
      await withMessages(between, piece, (messages) => {
        const operation = session.operation();
        return account.stage({ operation, staging, target: { id }, from: piece.from, messages });
      });
    }
    const messages = columns.uids.length;
    const operation = session.operation();
    const copied = await account.appendStaged({ operation, staging, target: { id }, messages });
    return { ...copied, sourceUids: columns.uids };
  } catch (error) {
    await discard(between, staging);
    throw error;
  }
}

/** When it cannot be told, the host does it by itself after a while. */
async function discard({ session, target }: Between, staging: OperationId): Promise<void> {
  try {
    await target.account.discardStaged({ staging });
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'what was staged could not be discarded');
  }
}

interface Piece {
  /** Rows. */
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

function piecesOf({ sizes }: MailboxColumns, bytesMax: number): Piece[] {
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

/** The messages of a piece are in memory as long as `perform` takes. */
async function withMessages<T>(
  { session, view, columns }: Between,
  { from, to, bytes }: Piece,
  perform: (messages: readonly NewMessage[]) => Promise<T>,
): Promise<T> {
  const { environment } = session;
  if (!(await environment.messageBytes.acquire(bytes, budgetWaitMs)))
    throw new MailError('unavailable', 'no memory for the messages');
  try {
    const messages: NewMessage[] = [];
    for (let row = from; row < to; row++) {
      const whole = await wholeMessage(view, columns.uids[row]! as Uid, columns.sizes[row]!);
      messages.push({
        prepared: await prepareMessage(whole, environment),
        flags: flagNames(columns.flagsLow[row]!, columns.flagsHigh[row]!, columns.keywords),
        internalDate: columns.internalDates[row]!,
      });
    }
    return await perform(messages);
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
export function requireTakingAway({ rights }: MailboxInfo): void {
  if (!['r', 't', 'e'].every((right) => rights.includes(right)))
    throw new MailError('permissionDenied', 'messages may not be taken away');
}
