// The highest mod-sequence of each block of a mailbox's messages, so that what changed since one is found without looking at
// every message: another session's flag costs the same in a mailbox of a million.
// Invariant: no message of a block has a higher one than is noted here; a lower one it may have, after an expunge say. Blocks
// are noted when somebody asks, from the first on, and only full ones. Nothing here fails.

import type { Column } from './message-columns.ts';

/** A million messages have 7,813 blocks: they are looked through in some ten microseconds. */
const blockMessages = 128;

export class ChangeBlocks {
  readonly #highest: number[] = [];

  /** The messages from this index on have these mod-sequences now. */
  changed(index: number, modSeqs: ArrayLike<number>): void {
    const end = Math.min(index + modSeqs.length, this.#highest.length * blockMessages);
    for (let at = index; at < end; at++) this.changedOne(at, modSeqs[at - index]!);
  }

  changedOne(index: number, modSeq: number): void {
    const block = Math.floor(index / blockMessages);
    if (block < this.#highest.length && this.#highest[block]! < modSeq) this.#highest[block] = modSeq;
  }

  /** From this index on there are other messages now. */
  forgetFrom(index: number): void {
    this.#highest.length = Math.min(this.#highest.length, Math.floor(index / blockMessages));
  }

  /** The indexes of messages whose mod-sequence is above `since`, of `length` in the column. */
  above(since: number, modSeqs: Column, length: number): number[] {
    this.#note(modSeqs, length);
    const indexes: number[] = [];
    const look = (from: number, to: number): void => {
      for (let index = from; index < to; index++) if (modSeqs[index]! > since) indexes.push(index);
    };
    const highest = this.#highest;
    for (let block = 0; block < highest.length; block++)
      if (highest[block]! > since) look(block * blockMessages, (block + 1) * blockMessages);
    look(highest.length * blockMessages, length);
    return indexes;
  }

  #note(modSeqs: Column, length: number): void {
    for (let end = (this.#highest.length + 1) * blockMessages; end <= length; end += blockMessages) {
      let highest = 0;
      for (let index = end - blockMessages; index < end; index++)
        if (modSeqs[index]! > highest) highest = modSeqs[index]!;
      this.#highest.push(highest);
    }
  }
}
