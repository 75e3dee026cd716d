// One machine's monotonic clock: begins anywhere, runs fast or slow, and stands still while the machine sleeps.

export interface NodeClockOptions {
  readonly originMs: number;
  readonly rate: number;
}

export class NodeClock {
  readonly rate: number;
  readonly #originMs: number;
  readonly #queue: { readonly now: number };
  #sleptAt: number | undefined;
  /** So long it stood still. */
  #sleptMs = 0;

  constructor(queue: { readonly now: number }, { originMs, rate }: NodeClockOptions) {
    this.#queue = queue;
    this.#originMs = originMs;
    this.rate = rate;
  }

  get isAsleep(): boolean {
    return this.#sleptAt !== undefined;
  }

  now(): number {
    return this.#originMs + ((this.#sleptAt ?? this.#queue.now) - this.#sleptMs) * this.rate;
  }

  sleep(): void {
    this.#sleptAt ??= this.#queue.now;
  }

  /** True when it slept. */
  wake(): boolean {
    if (this.#sleptAt === undefined) return false;
    this.#sleptMs += this.#queue.now - this.#sleptAt;
    this.#sleptAt = undefined;
    return true;
  }
}
