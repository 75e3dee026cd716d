// Who gets the messages that no session was told of yet (RFC 3501 2.3.2 \Recent). A claim holds from the moment it is made, in
// memory. That of a SELECT is committed behind the answer, which waits neither for the disk nor for what a commit takes of the
// processor. Those of sessions that are told of arrivals have no commits of their own, or each delivery beside a session that
// idles would take two: they go with the next change of the mailbox, or when the account's last session ends.
// That is an exception to "commit before announcing", and the RFC's own: a message of which it is not known whether some
// session has seen it SHOULD be recent.
// Invariant: while the host lives a message is \Recent to one claim at most. Claims that were not committed when the host died
// or the account moved are made again by the next session.

import type { Clock } from '../../base/clock.ts';
import type { OperationId, Uid } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { AccountChores } from '../account-chores.ts';
import type { AccountState } from '../account-state.ts';
import { claimRecentMutation } from '../mutations/claim-recent.ts';
import type { Mutation } from '../mutations/mutation.ts';
import type { MailboxRecord } from '../records/account-record.ts';
import type { Draft } from '../writing/draft.ts';

interface RecentClaimsOptions {
  readonly clock: Clock;
  readonly chores: AccountChores;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

export class RecentClaims {
  readonly #options: RecentClaimsOptions;
  /** By mailbox, where it is more than what is committed: messages before this uid are claimed. */
  readonly #claimedTo = new Map<number, number>();
  /** The first uids of claims that are about to be committed. */
  readonly #pending = new Map<OperationId, Uid>();

  constructor(options: RecentClaimsOptions) {
    this.#options = options;
  }

  /** Messages from here on are nobody's yet. */
  recentFrom({ id, recentFrom }: MailboxRecord): Uid {
    return Math.max(recentFrom, this.claimedTo(id)) as Uid;
  }

  /** 0: no further than what is committed. */
  claimedTo(mailboxId: number): number {
    return this.#claimedTo.get(mailboxId) ?? 0;
  }

  /** The first uid that is the caller's. Most often nothing is to be claimed, and nothing is written. */
  claim(state: AccountState, record: MailboxRecord, operation: OperationId): Uid | Promise<Uid> {
    const claimed = this.#pending.get(operation);
    if (claimed !== undefined) return claimed;
    // A retry has claimed before, and is told what.
    if (state.operationSlots.has(operation)) {
      const given = { mailboxId: record.id, from: this.recentFrom(record), to: record.uidNext };
      return this.#options.submit(claimRecentMutation({ operation, ...given }));
    }
    const from = this.claimArrivals(record);
    if (from < record.uidNext) this.#commitSoon(record, operation, from);
    return from;
  }

  /** The same for a session that has the mailbox selected; a retry whose first answer was lost gets nothing. */
  claimArrivals(record: MailboxRecord): Uid {
    const from = this.recentFrom(record);
    if (from < record.uidNext) this.#claimedTo.set(record.id, record.uidNext);
    return from;
  }

  /** To be told of every commit of the account. */
  committed({ mailboxes }: Draft): void {
    if (this.#claimedTo.size === 0) return;
    for (const { id, record, dropped } of mailboxes.values()) {
      if (dropped || record.gone || record.recentFrom >= this.claimedTo(id)) this.#claimedTo.delete(id);
    }
  }

  commitAll(): void {
    for (const [mailboxId, to] of this.#claimedTo) {
      void this.#options.chores.start(() => this.#commit({ mailboxId, to, from: to as Uid }));
    }
  }

  #commitSoon({ id: mailboxId, uidNext: to }: MailboxRecord, operation: OperationId, from: Uid): void {
    this.#pending.set(operation, from);
    void this.#options.chores.start(async () => {
      try {
        // The answer goes out at the end of this turn.
        await this.#options.clock.nextTurn();
        await this.#commit({ mailboxId, from, to }, operation);
      } finally {
        this.#pending.delete(operation);
      }
    });
  }

  async #commit(
    claim: { readonly mailboxId: number; readonly from: Uid; readonly to: number },
    operation?: OperationId,
  ): Promise<void> {
    try {
      await this.#options.submit(claimRecentMutation({ operation, ...claim }));
    } catch (error) {
      // The mailbox is gone, there is no room, or the account has moved.
      if (!isMailError(error)) throw error;
    }
  }
}
