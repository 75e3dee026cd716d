// The summaries of messages that came just now, of all accounts together: who waits for mail asks for them next, and who opens a
// mailbox that was filled just now for all of them. So they need not be found in the store, checked and copied one by one.
// They lie one behind the other in blocks; when there are too many blocks the oldest goes with all that is in it.
// Invariants: what is kept is as it was committed, and is found only through the state of the account it was committed to: an
// account that is read again may give the ids to other messages. Bounded. Nothing here is needed to be right; nothing fails.

import { decodeCheckedSummary, type SummaryRecord } from '../records/email-record.ts';

/** Larger ones (letters to hundreds) are read from the store. */
const summaryBytesMax = 16 * 1024;
const blockBytes = 1024 * 1024;
/** 16,000 of usual size: more than anybody fetches before the next ones come. */
const blocksMax = 32;
/** In front of each. */
const lengthBytes = 4;

/** Where an account's are, by email id: the number of the block, and where in it. */
export type FreshPlaces = Map<number, number>;

interface Block {
  readonly bytes: Buffer;
  used: number;
  /** What is in it: the account's map and the id in that. */
  readonly places: FreshPlaces[];
  readonly emailIds: number[];
}

export class FreshSummaries {
  readonly #blocks: Block[] = [];
  /** The number of the first one. */
  #first = 0;

  /** `record`: as it is stored. */
  keep(places: FreshPlaces, emailId: number, record: Uint8Array): void {
    if (record.length > summaryBytesMax) return;
    const block = this.#blockFor(lengthBytes + record.length);
    places.set(emailId, (this.#first + this.#blocks.length - 1) * blockBytes + block.used);
    block.places.push(places);
    block.emailIds.push(emailId);
    block.bytes.writeUInt32LE(record.length, block.used);
    block.bytes.set(record, block.used + lengthBytes);
    block.used += lengthBytes + record.length;
  }

  /** Its bytes are never overwritten. */
  find(places: FreshPlaces, emailId: number): SummaryRecord | undefined {
    const place = places.get(emailId);
    if (place === undefined) return undefined;
    const { bytes } = this.#blocks[Math.floor(place / blockBytes) - this.#first]!;
    const start = (place % blockBytes) + lengthBytes;
    return decodeCheckedSummary(bytes, start, start + bytes.readUInt32LE(start - lengthBytes));
  }

  #blockFor(bytes: number): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.used + bytes <= blockBytes) return last;
    if (this.#blocks.length === blocksMax) this.#dropFirst();
    const block = { bytes: Buffer.allocUnsafeSlow(blockBytes), used: 0, places: [], emailIds: [] };
    this.#blocks.push(block);
    return block;
  }

  #dropFirst(): void {
    const { places, emailIds } = this.#blocks.shift()!;
    this.#first++;
    for (const [index, emailId] of emailIds.entries()) places[index]!.delete(emailId);
  }
}
