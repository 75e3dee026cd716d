// The latest expunges of a mailbox in memory, so that "changes since" rarely reads tombstone rows.
// Invariant: holds every expunge after `completeSince`; what falls out at the old end raises it.

export class TombstoneRing {
  readonly #max: number;
  #modSeqs: number[] = [];
  #uids: number[] = [];
  #completeSince: number;

  constructor(completeSince: number, max: number) {
    this.#completeSince = completeSince;
    this.#max = max;
  }

  get length(): number {
    return this.#uids.length;
  }

  /** Covers a question about everything after this mod-sequence or a later one. */
  get completeSince(): number {
    return this.#completeSince;
  }

  /** Mod-sequences never fall from one call to the next. */
  push(modSeq: number, uid: number): void {
    this.#modSeqs.push(modSeq);
    this.#uids.push(uid);
    // Dropping in halves makes a push cost the same on average.
    if (this.#uids.length > this.#max * 2) {
      const drop = this.#uids.length - this.#max;
      this.#completeSince = this.#modSeqs[drop - 1]!;
      // One operation's expunges share a mod-sequence: what is left of the last dropped one goes too.
      let end = drop;
      while (end < this.#modSeqs.length && this.#modSeqs[end] === this.#completeSince) end++;
      this.#modSeqs = this.#modSeqs.slice(end);
      this.#uids = this.#uids.slice(end);
    }
  }

  /** UIDs expunged after `since`, in the order of the expunges; only when since >= completeSince. */
  after(since: number): number[] {
    let low = 0;
    let high = this.#modSeqs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#modSeqs[middle]! <= since) low = middle + 1;
      else high = middle;
    }
    return this.#uids.slice(low);
  }
}
