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

/** So many short works for one look at the clock, which takes as long as some of them: a setImmediate for each turn. */
const shortWorksPerLook = 4;
const shortWorkMs = 0.1;

/**
 * For works that many begin, and that are short nearly always: asked before each of them, told behind it. Looks at the clock
 * before every fourth, and after each that was not short.
 */
export class SparseSlicer {
  readonly #slicer: Slicer;
  /** Since the last look, or as many as a look is due after. */
  #works = 0;

  constructor(clock: Clock, sliceMs = sliceMsDefault) {
    this.#slicer = new Slicer(clock, sliceMs);
  }

  /** As Slicer.due. */
  due(): boolean {
    if (++this.#works < shortWorksPerLook) return false;
    const isDue = this.#slicer.due();
    // While the slice is used up everybody rests.
    if (!isDue) this.#works = 0;
    return isDue;
  }

  rest(): Promise<void> {
    return this.#slicer.rest();
  }

  took(workMs: number): void {
    if (workMs > shortWorkMs) this.#works = shortWorksPerLook;
  }
}

/** Takes all steps at once: for little work that others do in steps. */
export function finishAtOnce<Result>(steps: Generator<unknown, Result>): Result {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}
