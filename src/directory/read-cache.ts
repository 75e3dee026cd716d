// A bounded cache of reads. Entries are dropped all at once when anything in the directory changes (which is rare), one by
// one when it is known whom a change concerns, by age when a change signal was lost, and least recently used first when there
// are too many.
// Invariant: a read that began before `clear` or `forget` is never kept after it, so nothing stale outlives a change.

import type { Clock } from '../base/clock.ts';

export interface ReadCacheLimits {
  readonly entriesMax: number;
  readonly ageMaxMs: number;
}

interface Kept<Value> {
  readonly value: Value;
  readonly expiresAt: number;
}

export class ReadCache<Value> {
  readonly #clock: Clock;
  readonly #limits: ReadCacheLimits;
  readonly #load: (key: string) => Promise<Value>;
  readonly #kept = new Map<string, Kept<Value>>();
  /** Reads under way, joined by whoever asks for the same. One that is not here any more is not kept. */
  readonly #loading = new Map<string, Promise<Value>>();

  constructor(clock: Clock, limits: ReadCacheLimits, load: (key: string) => Promise<Value>) {
    this.#clock = clock;
    this.#limits = limits;
    this.#load = load;
  }

  get(key: string): Promise<Value> {
    const kept = this.#remembered(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return Promise.resolve(kept.value);
    }
    const loading = this.#loading.get(key);
    if (loading !== undefined) return loading;
    const isOver = (): boolean => this.#loading.get(key) === read && this.#loading.delete(key);
    const read = this.#load(key).then(
      (value) => {
        if (isOver()) this.#keep(key, value);
        return value;
      },
      (error: unknown) => {
        isOver();
        throw error;
      },
    );
    this.#loading.set(key, read);
    return read;
  }

  /** Undefined: nothing is remembered, or that there is nothing. */
  peek(key: string): Value | undefined {
    return this.#remembered(key)?.value;
  }

  clear(): void {
    this.#kept.clear();
    this.#loading.clear();
  }

  forget(key: string): void {
    this.#kept.delete(key);
    this.#loading.delete(key);
  }

  #remembered(key: string): Kept<Value> | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && kept.expiresAt > this.#clock.monotonic() ? kept : undefined;
  }

  #keep(key: string, value: Value): void {
    this.#kept.delete(key);
    if (this.#kept.size >= this.#limits.entriesMax) {
      const oldest = this.#kept.keys().next().value;
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    this.#kept.set(key, { value, expiresAt: this.#clock.monotonic() + this.#limits.ageMaxMs });
  }
}
