// A bounded number of places, waited for within a limit: what is held at a time of something that costs the server.
//
// Invariant: no more than `placesMax` are taken; whoever took one gives it back once. After `close` nobody gets one.

import type { Clock } from '../../base/clock.ts';

export class PostgresPlaces {
  readonly #placesMax: number;
  readonly #clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly #waiting = new Set<() => void>();
  #taken = 0;
  #closed = false;

  constructor(placesMax: number, clock: Pick<Clock, 'monotonic' | 'after'>) {
    this.#placesMax = placesMax;
    this.#clock = clock;
  }

  /** False: none became free within the limit, or it is closed. */
  async take(limitMs: number): Promise<boolean> {
    const deadline = this.#clock.monotonic() + limitMs;
    while (!this.#closed && this.#taken >= this.#placesMax) {
      const leftMs = deadline - this.#clock.monotonic();
      if (leftMs <= 0) return false;
      await this.#wait(leftMs);
    }
    if (this.#closed) return false;
    this.#taken++;
    return true;
  }

  give(): void {
    this.#taken--;
    const [wake] = this.#waiting;
    wake?.();
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting) wake();
  }

  #wait(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = this.#clock.after(limitMs, wake);
      this.#waiting.add(wake);
    });
  }
}
