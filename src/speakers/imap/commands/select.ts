// SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3; RFC 7162 3.1, 3.2.5; RFC 8474 4.2).

import type { OpenedMailbox } from '../../../account/port.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { QresyncParameters, SelectCommand } from '../../../wire/imap/command.ts';
import { formatList } from '../../../wire/imap/format-list.ts';
import { flagsResponses } from '../flag-text.ts';
import { attributeOfRole, delimiter } from '../mailbox-names.ts';
import { mailboxIdText } from '../object-ids.ts';
import { bad, ok, type Reply, uidRequired } from '../reply.ts';
import { matchedUpTo, type Resync, resyncSince, tellResync } from '../resync.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { MailboxView } from '../view.ts';

const selectedReadWrite = ok('Select completed', 'READ-WRITE');
const selectedReadOnly = ok('Examine completed', 'READ-ONLY');

export async function select(session: ImapSession, command: SelectCommand): Promise<Reply> {
  const { qresync } = command;
  // RFC 7162 3.2.5.
  if (qresync !== undefined && !session.qresync) return bad('QRESYNC needs to be enabled first');
  // RFC 9586 section 3.
  if (qresync?.match !== undefined && session.uidOnly) return uidRequired;
  const readOnly = command.name === 'EXAMINE';
  const before = session.view === undefined ? '' : '* OK [CLOSED] Previous mailbox is closed\r\n';
  // A SELECT that fails leaves nothing selected (RFC 9051 6.3.2).
  session.unselect();
  if (before !== '') session.connection.write(before);
  if (command.condstore) session.condstore = true;
  const target = { name: command.mailbox };
  const opened = await accountOf(session).openMailbox(target, { claimRecent: !readOnly });
  if (!opened.info.selectable) throw new MailError('mailboxNotSelectable', 'only a place');
  const view = new MailboxView(opened, { readOnly });
  const resync =
    qresync?.uidValidity === view.uidValidity ? await caughtUp(session, view, qresync) : undefined;
  session.select(view);
  session.connection.write(selectResponses(session, view, opened));
  if (resync !== undefined) await tellResync(session, view, resync);
  return readOnly ? selectedReadOnly : selectedReadWrite;
}

function caughtUp(session: ImapSession, view: MailboxView, given: QresyncParameters): Promise<Resync> {
  const { modSeq, knownUids, match } = given;
  return resyncSince(session, view, { modSeq, uids: knownUids, seenUpTo: matchedUpTo(match, view) });
}

function selectResponses(session: ImapSession, view: MailboxView, opened: OpenedMailbox): string {
  const { info, firstUnseen } = opened;
  let text = flagsResponses(view.keywords, view.readOnly);
  text += `* ${view.count} EXISTS\r\n`;
  if (session.revision2) {
    const attribute = attributeOfRole(info.role);
    const attributes = attribute === undefined ? [] : [attribute];
    text += formatList('LIST', { name: info.name, attributes, delimiter }, session);
  } else {
    text += `* ${view.recent} RECENT\r\n`;
    const unseen = firstUnseen === undefined ? 0 : view.sequenceOf(firstUnseen);
    if (unseen > 0 && !session.uidOnly) text += `* OK [UNSEEN ${unseen}] First unseen\r\n`;
  }
  text += `* OK [UIDVALIDITY ${info.uidValidity}] UIDs valid\r\n`;
  text += `* OK [UIDNEXT ${info.uidNext}] Predicted next UID\r\n`;
  text += `* OK [HIGHESTMODSEQ ${info.highestModSeq}] Highest\r\n`;
  return `${text}* OK [MAILBOXID (${mailboxIdText(info.id)})] Ok\r\n`;
}
