// Makes the messages that no session has claimed yet \Recent to the caller's (RFC 3501 2.3.2). In the store, so that it
// outlives the host. Not a change that clients follow, so it takes no mod-sequence.
// Refuses: noSuchMailbox.

import type { MailboxId, OperationId, Uid } from '../../mail/ids.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

/** The result is the first UID that is the caller's. */
export function claimRecentMutation(options: {
  operation: OperationId;
  mailboxId: MailboxId;
}): Mutation<Uid> {
  return {
    name: 'claimRecent',
    operation: options.operation,
    bytes: 0,
    decide(draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      const { recentFrom, uidNext } = mailbox.record;
      if (recentFrom < uidNext) {
        draft.version++;
        mailbox.record.recentFrom = uidNext;
        mailbox.changed = true;
      }
      return recentFrom as Uid;
    },
    result: (recentFrom) => [recentFrom],
    replay: ([recentFrom]) => recentFrom as Uid,
  };
}
