// Fairness: no single piece of work holds the event loop for long (issue: 20 ms at the most). A Slicer is
// asked between small steps and gives others a turn when its slice is used up.

import type { Clock } from './clock.ts';

/** A step is expected to take well under a millisecond; 5 ms a slice keeps the loop's p99 far below 20 ms. */
const sliceMsDefault = 5;

export class Slicer {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #startedAt: number;

  constructor(clock: Clock, sliceMs = sliceMsDefault) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#startedAt = clock.monotonic();
  }

  /** True when the slice is used up: `if (slicer.due()) await slicer.rest()` costs no promise otherwise. */
  due(): boolean {
    return this.#clock.monotonic() - this.#startedAt >= this.#sliceMs;
  }

  async rest(): Promise<void> {
    await this.#clock.yieldTurn();
    this.#startedAt = this.#clock.monotonic();
  }
}
