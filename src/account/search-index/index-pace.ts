// How fast indexes are built: by all accounts together one slice at a time, with short rests while the process has nothing
// else to do and long ones while it has, so that deliveries do not pay for indexing. Owns nothing but the place in line and
// what it knows of the loop.

import type { Clock } from '../../base/clock.ts';
import { LoopUtilization } from '../../base/loop-utilization.ts';
import { Slicer } from '../../base/slicer.ts';

/** What one slice takes of the event loop. */
const sliceMs = 4;
/** Between slices, to see whether the loop is busy without us. */
const restMs = 3;
/** While it is, once before a slice is thought of and once more when it still is: indexing then takes about 1 % of it. */
const busyRestMs = 250;
const busyShare = 0.2;

export class IndexPace {
  readonly #clock: Clock;
  readonly #loop = new LoopUtilization();
  #isBusy = false;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `work` when all that asked before are done. It begins with a rest: many short works are no faster than a long one. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let done = (): void => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      await this.rest();
      return await work();
    } finally {
      done();
    }
  }

  slicer(): Slicer {
    return new PacedSlicer(this.#clock, this);
  }

  /** Until the next slice may begin. */
  async rest(): Promise<void> {
    this.#loop.read(); // our own slice does not count
    await this.#clock.sleep(this.#isBusy ? busyRestMs : restMs);
    this.#isBusy = this.#loop.read() > busyShare;
    if (this.#isBusy) await this.#clock.sleep(busyRestMs);
  }
}

class PacedSlicer extends Slicer {
  readonly #pace: IndexPace;

  constructor(clock: Clock, pace: IndexPace) {
    super(clock, sliceMs);
    this.#pace = pace;
  }

  override async rest(): Promise<void> {
    await this.#pace.rest();
    await super.rest();
  }
}
