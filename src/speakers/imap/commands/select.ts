// SELECT and EXAMINE (RFC 9051 6.3.2, 6.3.3; RFC 7162 3.1; RFC 8474 4.2).

import type { OpenedMailbox } from '../../../account/port.ts';
import { MailError } from '../../../mail/mail-error.ts';
import type { SelectCommand } from '../../../wire/imap/command.ts';
import { formatList } from '../../../wire/imap/format-list.ts';
import { flagsResponses } from '../flag-text.ts';
import { attributeOfRole, delimiter } from '../mailbox-names.ts';
import { mailboxIdText } from '../object-ids.ts';
import { bad, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { MailboxView } from '../view.ts';

const selectedReadWrite = ok('Select completed', 'READ-WRITE');
const selectedReadOnly = ok('Examine completed', 'READ-ONLY');

export async function select(session: ImapSession, command: SelectCommand): Promise<Reply> {
  // RFC 7162 3.2.5: only after ENABLE QRESYNC, which we do not offer.
  if (command.qresync !== undefined) return bad('QRESYNC is not enabled');
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
  session.select(view);
  session.connection.write(selectResponses(session, view, opened));
  return readOnly ? selectedReadOnly : selectedReadWrite;
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
    if (unseen > 0) text += `* OK [UNSEEN ${unseen}] First unseen\r\n`;
  }
  text += `* OK [UIDVALIDITY ${info.uidValidity}] UIDs valid\r\n`;
  text += `* OK [UIDNEXT ${info.uidNext}] Predicted next UID\r\n`;
  text += `* OK [HIGHESTMODSEQ ${info.highestModSeq}] Highest\r\n`;
  return `${text}* OK [MAILBOXID (${mailboxIdText(info.id)})] Ok\r\n`;
}
