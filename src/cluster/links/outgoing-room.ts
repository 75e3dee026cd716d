// What waits to be sent as answers, and what those that are being made may add: of one link, or of all links of a peer of the
// outer zone, which has part in what such peers have together.
// Invariants: nothing is begun while there is no room for it, but for one answer of a link or peer that has none, of ordinary
// length where others have all there is; so peers that ask and do not read keep nobody from being answered.
// Nothing here fails; who finds no room waits, and is called back when there may be some.

/** What several have together, and who waits for it. */
export class OutgoingTotal {
  readonly bytesMax: number;
  #bytes = 0;
  #waiting = new Set<() => void>();

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  count(change: number): void {
    this.#bytes += change;
    if (change >= 0 || this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const callback of waiting) callback();
  }

  whenLess(callback: () => void): void {
    this.#waiting.add(callback);
  }

  forget(callback: () => void): void {
    this.#waiting.delete(callback);
  }
}

/** As a speaker takes mail: by the megabyte, and a little more for the message that does not fit. */
const ordinaryBytesMax = 2 * 1024 * 1024;

export class OutgoingRoom {
  readonly #bytesMax: number;
  readonly #own: OutgoingTotal;
  readonly #together: OutgoingTotal | undefined;
  #pendingBytes = 0;

  constructor(bytesMax: number, together?: OutgoingTotal) {
    this.#bytesMax = bytesMax;
    this.#own = new OutgoingTotal(bytesMax);
    this.#together = together;
  }

  /** Whether an answer of which nobody said how long it would be is too much beside those that nobody takes. */
  refuses(answerBytes: number): boolean {
    if (this.#pendingBytes >= this.#bytesMax) return true;
    const isFull = this.#together !== undefined && this.#together.bytes >= this.#together.bytesMax;
    return isFull && this.#pendingBytes + answerBytes > ordinaryBytesMax;
  }

  /** `answerBytes`: what the answer may have; 0: it is small, or nobody knows. Those go ahead of those that wait for room. */
  hasRoom(answerBytes: number): boolean {
    if (answerBytes === 0) return this.#pendingBytes < this.#bytesMax;
    const wanted = this.#counted(answerBytes);
    const own = this.#own.bytes;
    if (own > 0 && own + wanted > this.#bytesMax) return false;
    if (this.#together === undefined || (own === 0 && wanted <= ordinaryBytesMax)) return true;
    return this.#together.bytes + wanted <= this.#together.bytesMax;
  }

  /** An answer is being made, or no more. */
  countExpected(answerBytes: number, change: 1 | -1): void {
    this.#count(change * this.#counted(answerBytes));
  }

  countPending(change: number): void {
    this.#pendingBytes += change;
    this.#count(change);
  }

  /** Calls back when there may be room; more often than once, perhaps. */
  whenLess(callback: () => void): void {
    this.#own.whenLess(callback);
    this.#together?.whenLess(callback);
  }

  forget(callback: () => void): void {
    this.#own.forget(callback);
    this.#together?.forget(callback);
  }

  /** Whoever says that its answer is longer than all there is gets room for all there is. */
  #counted(answerBytes: number): number {
    return Math.min(answerBytes, this.#bytesMax);
  }

  #count(change: number): void {
    if (change === 0) return;
    this.#own.count(change);
    this.#together?.count(change);
  }
}
