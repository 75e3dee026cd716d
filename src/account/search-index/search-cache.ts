// What searches keep in memory, of all accounts together: pieces of indexes, orders and threads of mailboxes; and the header
// fields that were listed (header-fields.ts). Bounded in bytes; what was used least recently goes first, and is read or made
// again when it is asked for.
// Invariant: nothing here is needed to be right, only to be fast.

interface Kept {
  readonly value: object;
  readonly bytes: number;
}

export class SearchCache {
  readonly #bytesMax: number;
  /** In the order of use, the oldest first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  #spaces = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A prefix of keys that nobody has used: what was kept under another one is not found any more, and goes in time. */
  newSpace(): string {
    return `${++this.#spaces} `;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What was kept under this key; the caller knows what it put there. */
  get<T extends object>(key: string): T | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value as T;
  }

  set(key: string, value: object, bytes: number): void {
    this.delete(key);
    if (bytes > this.#bytesMax) return;
    this.#kept.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.delete(oldest);
    }
  }

  /** Kept only while nothing has to go for it: nobody has asked for it yet. */
  offer(key: string, value: object, bytes: number): void {
    if (this.#bytes + bytes <= this.#bytesMax) this.set(key, value, bytes);
  }

  delete(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
