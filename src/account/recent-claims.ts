// Who gets the messages that no session was told of yet (RFC 3501 2.3.2 \Recent). A claim holds from the moment it is made, in
// memory, and is committed behind the answer: a SELECT does not wait for the disk. That is an exception to "commit before
// announcing", and the RFC's own: a message of which it is not known whether some session has seen it SHOULD be recent.
// Invariant: while the host lives a message is \Recent to one claim at most. Claims that a crash or a full disk took away are
// made again by the next session.

import type { OperationId, Uid } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { AccountChores } from './account-chores.ts';
import type { MailboxRecord } from './account-record.ts';
import type { AccountState } from './account-state.ts';
import { claimRecentMutation } from './mutations/claim-recent.ts';
import type { Mutation } from './mutations/mutation.ts';

/** The uids from one on to before another. */
interface Claim {
  readonly mailboxId: number;
  readonly from: Uid;
  readonly to: number;
}

interface RecentClaimsOptions {
  readonly chores: AccountChores;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

export class RecentClaims {
  readonly #options: RecentClaimsOptions;
  /** Those that are not committed yet. */
  readonly #pending = new Map<OperationId, Claim>();

  constructor(options: RecentClaimsOptions) {
    this.#options = options;
  }

  /** Messages from here on are nobody's yet. */
  recentFrom({ id, recentFrom }: MailboxRecord): Uid {
    let from = recentFrom;
    for (const { mailboxId, to } of this.#pending.values()) if (mailboxId === id && to > from) from = to;
    return from as Uid;
  }

  /** The first uid that is the caller's. Most often nothing is to be claimed, and nothing is written. */
  claim(state: AccountState, record: MailboxRecord, operation: OperationId): Uid | Promise<Uid> {
    const claimed = this.#pending.get(operation);
    if (claimed !== undefined) return claimed.from;
    const claim = { mailboxId: record.id, from: this.recentFrom(record), to: record.uidNext };
    // A retry has claimed before, and is told what.
    if (state.operationSlots.has(operation)) {
      return this.#options.submit(claimRecentMutation({ operation, ...claim }));
    }
    if (claim.from < claim.to) this.#commit(operation, claim);
    return claim.from;
  }

  #commit(operation: OperationId, claim: Claim): void {
    this.#pending.set(operation, claim);
    void this.#options.chores.start(async () => {
      try {
        await this.#options.submit(claimRecentMutation({ operation, ...claim }));
      } catch (error) {
        // The mailbox is gone, there is no room, or the account has moved.
        if (!isMailError(error)) throw error;
      } finally {
        this.#pending.delete(operation);
      }
    });
  }
}
