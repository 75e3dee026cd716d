// The mailboxes of all accounts whose pages are full and wait to be packed (mutations/pack-pages.ts), so that deliveries do not
// pay for it: at a background pace, first come, first packed, one commit at a time.
// Invariants: each waits once; a mailbox waits with a bounded number of filled pages, and so many mailboxes wait: beyond that
// they are packed at once, so that under load without an end neither rows grow nor the accounts that are kept in memory for
// them. What waits when the process ends is packed when its mailbox is opened.
// Never fails: what packing fails with is its account's business (account-chores.ts).

import type { BackgroundPace } from '../background-pace.ts';

/** Filled pages that a mailbox waits with: opening it then reads a thousand rows one by one, two milliseconds or three. */
const pagesWaitingMax = 8;
/** Each keeps what is known of its account in memory. */
const mailboxesWaitingMax = 1_000;

/** A mailbox with pages to pack. */
export interface WaitingMailbox {
  /** Pages that were filled since it began to wait. */
  readonly filled: number;
  /** One commit, or all of it. Waits again when it is done with less than all. Never rejects. */
  pack(howMuch: 'some' | 'all'): Promise<void>;
}

export class PackingLine {
  readonly #pace: BackgroundPace;
  readonly #waiting = new Set<WaitingMailbox>();
  #isWorking = false;
  #closed = false;

  constructor(pace: BackgroundPace) {
    this.#pace = pace;
  }

  /** It waits from now on, if it did not; it may have more filled pages than before. */
  wait(mailbox: WaitingMailbox): void {
    if (this.#closed) return;
    this.#waiting.add(mailbox);
    if (mailbox.filled >= pagesWaitingMax) this.hurry(mailbox);
    else if (this.#waiting.size > mailboxesWaitingMax) this.hurry(firstOf(this.#waiting)!);
    if (this.#waiting.size > 0 && !this.#isWorking) void this.#work();
  }

  /** Packs all of it now, if it waits. */
  hurry(mailbox: WaitingMailbox): void {
    if (this.#waiting.delete(mailbox)) void mailbox.pack('all');
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#waiting.size > 0) await this.#pace.inTurn(() => this.#packFirst(), 'front');
    this.#isWorking = false;
  }

  async #packFirst(): Promise<void> {
    const mailbox = firstOf(this.#waiting);
    if (mailbox === undefined) return;
    this.#waiting.delete(mailbox);
    await mailbox.pack('some');
  }
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  return set.values().next().value;
}
