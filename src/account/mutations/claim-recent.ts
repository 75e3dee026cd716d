// Makes the messages that no session has claimed yet \Recent to the caller's (RFC 3501 2.3.2). In the store, so that it
// outlives the host. Not a change that clients follow, so it takes no mod-sequence.
// Refuses: noSuchMailbox.

import type { OperationId, Uid } from '../../mail/ids.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

/** The messages from one uid on to before another; the result is the first. */
export function claimRecentMutation(options: {
  /** Undefined: of sessions that were told long since. */
  readonly operation: OperationId | undefined;
  readonly mailboxId: number;
  readonly from: Uid;
  readonly to: number;
}): Mutation<Uid> {
  return {
    name: 'claimRecent',
    operation: options.operation,
    bytes: 0,
    decide(draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      if (mailbox.record.recentFrom < options.to) {
        draft.version++;
        mailbox.record.recentFrom = options.to;
        mailbox.changed = true;
      }
      return options.from;
    },
    result: (from) => [from],
    replay: ([from]) => from as Uid,
  };
}
