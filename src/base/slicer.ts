// Fairness: no single piece of work holds the event loop for long (issue: 20 ms at the most). A Slicer is
// asked between small steps and gives others a turn when the turn's slice is used up, whoever used it: many works at once, or
// one after the other, together hold the loop no longer than one.

import type { Clock } from './clock.ts';

/** A step is expected to take well under a millisecond; 5 ms a slice keeps the loop's p99 far below 20 ms. */
const sliceMsDefault = 5;

export class Slicer {
  readonly #clock: Clock;
  readonly #sliceMs: number;

  constructor(clock: Clock, sliceMs = sliceMsDefault) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    clock.turnMs(); // The turn counts from now at the latest.
  }

  /** True when the slice is used up: `if (slicer.due()) await slicer.rest()` costs no promise otherwise. */
  due(): boolean {
    return this.#clock.turnMs() >= this.#sliceMs;
  }

  async rest(): Promise<void> {
    await this.#clock.yieldTurn();
  }

  /** Takes all steps, with rests where they are due; gives what the last one gave. */
  async finish<Result>(steps: Generator<unknown, Result>): Promise<Result> {
    let step = steps.next();
    for (; !step.done; step = steps.next()) if (this.due()) await this.rest();
    return step.value;
  }
}

/** Takes all steps at once: for little work that others do in steps. */
export function finishAtOnce<Result>(steps: Generator<unknown, Result>): Result {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}
