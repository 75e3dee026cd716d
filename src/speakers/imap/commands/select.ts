// SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3; RFC 7162 3.1, 3.2.5; RFC 8474 4.2).

import type { AccountPort, OpenedMailbox } from '../../../account/port.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { QresyncParameters, SelectCommand } from '../../../wire/imap/mailbox-command.ts';
import { flagsResponses } from '../flag-text.ts';
import { locate, type MailboxLocation, placedAt } from '../mailbox-location.ts';
import { idSuffix, mailboxIdText } from '../object-ids.ts';
import { bad, ok, type Reply, uidRequired } from '../reply.ts';
import { matchedUpTo, type Resync, resyncSince, tellResync } from '../resync.ts';
import type { ImapSession } from '../session.ts';
import { listOfNamed } from '../told-names.ts';
import { MailboxView } from '../view.ts';

const selectedReadWrite = ok('Select completed', 'READ-WRITE');
const selectedReadOnly = ok('Select completed', 'READ-ONLY');
const examined = ok('Examine completed', 'READ-ONLY');

export async function select(session: ImapSession, command: SelectCommand): Promise<Reply> {
  const { qresync } = command;
  // RFC 7162 3.2.5.
  if (qresync !== undefined && !session.qresync) return bad('QRESYNC needs to be enabled first');
  // RFC 9586 section 3.
  if (qresync?.match !== undefined && session.uidOnly) return uidRequired;
  const examines = command.name === 'EXAMINE';
  const before = session.view === undefined ? '' : '* OK [CLOSED] Previous mailbox is closed\r\n';
  // A SELECT that fails leaves nothing selected (RFC 9051 6.3.2).
  session.unselect();
  if (before !== '') session.connection.write(before);
  if (command.condstore) session.enableCondstore();
  const located = locate(session, command.mailbox);
  const location = located instanceof Promise ? await located : located;
  // IMAP4rev2 has no \Recent.
  const claimRecent = !examines && !session.revision2 && session.operation();
  const opened = await open(session, location, { claimRecent });
  const view = new MailboxView(opened, { ...location, examines });
  const resync = qresync?.uidValidity === view.uidValidity ? await caughtUp(view, qresync) : undefined;
  session.select(view);
  const info = placedAt(location, opened.info);
  session.connection.write(selectResponses(session, view, { ...opened, info, given: command.mailbox }));
  if (resync !== undefined) await tellResync(session, resync);
  if (examines) return examined;
  return view.readOnly ? selectedReadOnly : selectedReadWrite;
}

/** What is heard of the account from then on is about the mailbox. */
async function open(
  session: ImapSession,
  { account, name }: MailboxLocation,
  options: Parameters<AccountPort['openMailbox']>[1],
): Promise<OpenedMailbox> {
  session.visit(account);
  try {
    const opened = await account.openMailbox({ name }, options);
    if (!opened.info.selectable) throw new MailError('mailboxNotSelectable', 'only a place');
    return opened;
  } catch (error) {
    session.unselect();
    throw error;
  }
}

function caughtUp(view: MailboxView, given: QresyncParameters): Promise<Resync> {
  const { modSeq, knownUids, match } = given;
  return resyncSince(view, { modSeq, uids: knownUids, seenUpTo: matchedUpTo(match, view) });
}

function selectResponses(
  session: ImapSession,
  view: MailboxView,
  { info, firstUnseen, given }: OpenedMailbox & { readonly given: string },
): string {
  let text = flagsResponses(view);
  text += `* ${view.count} EXISTS\r\n`;
  if (session.revision2) {
    text += listOfNamed(session, info, given);
  } else {
    text += `* ${view.recent} RECENT\r\n`;
    const unseen = firstUnseen === undefined ? 0 : view.sequenceOf(firstUnseen);
    if (unseen > 0 && !session.uidOnly) text += `* OK [UNSEEN ${unseen}] First unseen\r\n`;
  }
  text += `* OK [UIDVALIDITY ${info.uidValidity}] UIDs valid\r\n`;
  text += `* OK [UIDNEXT ${info.uidNext}] Predicted next UID\r\n`;
  text += `* OK [HIGHESTMODSEQ ${info.highestModSeq}] Highest\r\n`;
  return `${text}* OK [MAILBOXID (${mailboxIdText(info.id, idSuffix(session, view.account))})] Ok\r\n`;
}
