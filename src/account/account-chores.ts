// Work on an account that nobody waits for: removing what is left of deleted mailboxes and of staged appends, pruning
// tombstones, packing message rows, reading the account again.
// Invariant: at most one pruning and one packing a mailbox; a chore that fails is logged and comes again with its next
// cause (the next expunge, the next opening of the account).

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { AccountId, OperationId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import { type AccountLimits, stagedAppendIdleMs } from './account-limits.ts';
import type { AccountState } from './account-state.ts';
import { removeGoneMutation } from './mutations/delete-mailbox.ts';
import { type Pages, packPagesMutation } from './mutations/pack-pages.ts';
import { pruneTombstonesMutation } from './mutations/prune-tombstones.ts';
import { discardStagedMutation } from './mutations/staged-append.ts';
import type { AccountWriter } from './writing/account-writer.ts';
import type { PackingLine, WaitingMailbox } from './writing/packing-line.ts';

export interface AccountChoresOptions {
  readonly accountId: AccountId;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: AccountLimits;
  readonly packing: PackingLine;
  readonly writer: () => AccountWriter;
}

/** A mailbox with pages that may have to be packed. */
interface Packing extends WaitingMailbox {
  filled: number;
  from: number;
  to: number;
  isUnderWay: boolean;
}

export class AccountChores {
  readonly #options: AccountChoresOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #pruning = new Set<number>();
  /** By the mailbox of a staged append. */
  readonly #staged = new Map<number, Timer>();
  /** By mailbox. */
  readonly #packing = new Map<number, Packing>();

  constructor(options: AccountChoresOptions) {
    this.#options = options;
  }

  /** Resolves when nothing is left to do. What waits for a quiet time is done now. */
  async settled(): Promise<void> {
    for (;;) {
      for (const packing of this.#packing.values()) this.#options.packing.hurry(packing);
      if (this.#running.size === 0) return;
      await Promise.all(this.#running);
    }
  }

  /** Resolves when it is done, or failed. */
  start(work: () => Promise<void>): Promise<void> {
    const { log, accountId } = this.#options;
    const running = work()
      .catch((error: unknown) => {
        log.warn({ err: error, account: accountId }, 'background work on an account failed');
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  /** Goes on with the removals that a crash cut off. */
  resumeRemovals(state: AccountState): void {
    for (const { record } of state.mailboxes.values()) {
      const { id, gone, staging } = record;
      if (staging !== undefined) this.expectStaged(id, staging);
      else if (gone) void this.start(() => this.removeGone(id));
    }
  }

  /** Unless this is called again before, the staged append is given up: nobody goes on with it. */
  expectStaged(mailboxId: number, staging: OperationId): void {
    const { clock, writer } = this.#options;
    this.#staged.get(mailboxId)?.cancel();
    const timer = clock.after(stagedAppendIdleMs, () => {
      this.#staged.delete(mailboxId);
      // What another node hosts now is for its chores.
      if (!writer().closed) void this.start(() => this.discardStaged(staging));
    });
    this.#staged.set(mailboxId, timer);
  }

  /** Gives a staged append up and removes what came of it. */
  async discardStaged(staging: OperationId): Promise<void> {
    const mailboxId = await this.#options.writer().submit(discardStagedMutation(staging));
    if (mailboxId !== undefined) await this.removeGone(mailboxId);
  }

  /** Removes the messages of a deleted mailbox, then its record. */
  async removeGone(mailboxId: number): Promise<void> {
    const { writer, limits } = this.#options;
    this.#staged.get(mailboxId)?.cancel();
    this.#staged.delete(mailboxId);
    while (!(await writer().submit(removeGoneMutation(mailboxId, limits.messagesPerCommit))));
  }

  /** Messages came, up to a uid in the page `to`: those before it, from `from` on, are full. */
  pagesFilled(mailboxId: number, from: number, to: number): void {
    if (from < to) this.#waitToPack(mailboxId, { from, to }, to - from);
  }

  /** A mailbox was opened in which these pages may have to be packed. */
  packPages(mailboxId: number, from: number, to: number): void {
    if (from < to) this.#waitToPack(mailboxId, { from, to }, 0);
  }

  #waitToPack(mailboxId: number, { from, to }: Pages, filled: number): void {
    let packing = this.#packing.get(mailboxId);
    if (packing === undefined) {
      const pack: WaitingMailbox['pack'] = (howMuch) => this.start(() => this.#pack(mailboxId, howMuch));
      packing = { pack, filled, from, to, isUnderWay: false };
      this.#packing.set(mailboxId, packing);
    } else {
      packing.from = Math.min(packing.from, from);
      packing.to = Math.max(packing.to, to);
      packing.filled += filled;
    }
    if (!packing.isUnderWay) this.#options.packing.wait(packing);
  }

  async #pack(mailboxId: number, howMuch: 'some' | 'all'): Promise<void> {
    const packing = this.#packing.get(mailboxId)!;
    packing.isUnderWay = true;
    packing.filled = 0;
    try {
      do {
        const { from, to } = packing;
        const next = await this.#options.writer().submit(packPagesMutation(mailboxId, { from, to }));
        // Unless there came to be more to do before it.
        if (packing.from === from) packing.from = next;
      } while (howMuch === 'all' && packing.from < packing.to);
      packing.isUnderWay = false;
      if (packing.from < packing.to) this.#options.packing.wait(packing);
      else this.#packing.delete(mailboxId);
    } catch (error) {
      this.#packing.delete(mailboxId);
      // No room, or the account has moved: another time will do.
      if (!isMailError(error)) throw error;
    }
  }

  /** Takes old tombstones away when there are too many, with some slack, so that it is done in bulk. */
  pruneTombstones(mailboxId: number, count: number): void {
    const { writer, limits } = this.#options;
    if (count <= limits.tombstonesMax * 1.25 || this.#pruning.has(mailboxId)) return;
    this.#pruning.add(mailboxId);
    void this.start(async () => {
      try {
        while (await writer().submit(pruneTombstonesMutation(mailboxId)));
      } finally {
        this.#pruning.delete(mailboxId);
      }
    });
  }
}
