// Deleting a mailbox (RFC 9051 6.3.5) in two steps: one commit takes its name away, so that it is gone for everybody
// at once; then its messages are removed in bounded commits. A crash in between leaves a record marked `gone`, and
// the account goes on removing when it is opened again.
// Refuses: noSuchMailbox, notSupported (INBOX), conflict (a mere place that has mailboxes in it).

import { MailError } from '../../mail/mail-error.ts';
import { isInferior, normalName } from '../mailbox-name.ts';
import type { AccountPort } from '../port.ts';
import type { MessageRow } from '../records/message-row.ts';
import { expungeRows } from './expunge.ts';
import { addMailbox } from './mailboxes.ts';
import { internalMutation, type Mutation } from './mutation.ts';

/** Resolves with the id of what has to be removed. */
export function deleteMailboxMutation(
  options: Parameters<AccountPort['deleteMailbox']>[0],
): Mutation<number> {
  return {
    name: 'deleteMailbox',
    operation: options.operation,
    bytes: 1000,
    decide(draft) {
      const name = normalName(options.name);
      const mailbox = draft.find({ name });
      if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
      if (mailbox.record.role === 'inbox') throw new MailError('notSupported', 'INBOX stays');
      let hasInferiors = false;
      for (const record of draft.records()) hasInferiors ||= isInferior(record.name, name);
      if (hasInferiors && !mailbox.record.selectable) {
        throw new MailError('conflict', 'it is only a place for the mailboxes in it: delete those first');
      }
      const modSeq = draft.nextModSeq();
      draft.rename(mailbox, undefined);
      mailbox.record.gone = true;
      mailbox.touch(modSeq);
      // RFC 4314 section 4: its list goes with it.
      if (draft.acl(mailbox.id).length > 0) draft.setAcl(mailbox.id, []);
      if (hasInferiors) addMailbox(draft, name, undefined).record.selectable = false;
      return mailbox.id;
    },
    result: (id) => [id],
    replay: ([id]) => id as number,
  };
}

/** Removes up to `messagesMax` messages of a mailbox that is gone; true when nothing is left of it. */
export function removeGoneMutation(mailboxId: number, messagesMax: number): Mutation<boolean> {
  return internalMutation('removeGone', async (draft) => {
    const mailbox = draft.goneMailbox(mailboxId);
    if (mailbox === undefined || !mailbox.record.gone) return true;
    await draft.loadTable(mailbox);
    const uids = mailbox.uids();
    const rows: MessageRow[] = [];
    for (const uid of uids.subarray(0, messagesMax)) rows.push(mailbox.row(uid)!);
    await expungeRows(draft, mailbox, rows);
    if (rows.length < uids.length) return false;
    draft.version++;
    mailbox.dropped = true;
    return true;
  });
}
