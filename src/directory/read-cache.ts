// A bounded cache of reads. Entries are dropped all at once when anything in the directory changes (which is rare),
// by age when a change signal was lost, and least recently used first when there are too many.
// Invariant: a read that began before `clear` is never kept after it, so nothing stale outlives a change.

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
  /** Reads under way, joined by whoever asks for the same. */
  readonly #loading = new Map<string, Promise<Value>>();
  #generation = 0;

  constructor(clock: Clock, limits: ReadCacheLimits, load: (key: string) => Promise<Value>) {
    this.#clock = clock;
    this.#limits = limits;
    this.#load = load;
  }

  get(key: string): Promise<Value> {
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.expiresAt > this.#clock.monotonic()) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return Promise.resolve(kept.value);
    }
    const loading = this.#loading.get(key);
    if (loading !== undefined) return loading;
    const read = this.#read(key);
    this.#loading.set(key, read);
    return read;
  }

  clear(): void {
    this.#generation++;
    this.#kept.clear();
    this.#loading.clear();
  }

  async #read(key: string): Promise<Value> {
    const generation = this.#generation;
    try {
      const value = await this.#load(key);
      if (generation === this.#generation) this.#keep(key, value);
      return value;
    } finally {
      if (generation === this.#generation) this.#loading.delete(key);
    }
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
