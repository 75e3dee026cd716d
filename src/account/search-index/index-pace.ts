// How fast indexes are built: by all accounts together one slice at a time, with short rests while the process has nothing
// else to do and long ones while it has, so that deliveries do not pay for indexing. Owns nothing but the place in line.

import type { Clock } from '../../base/clock.ts';
import { LoopUtilization } from '../../base/loop-utilization.ts';
import { Slicer } from '../../base/slicer.ts';

/** What one slice takes of the event loop. */
const sliceMs = 4;
/** Between slices, to see whether the loop is busy without us. */
const restMs = 3;
/** While it is: indexing then takes less than 2 % of it. */
const busyRestMs = 250;
const busyShare = 0.2;

export class IndexPace {
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `work` when all that asked before are done. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let done = (): void => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    try {
      await before;
      return await work();
    } finally {
      done();
    }
  }

  slicer(): Slicer {
    return new PacedSlicer(this.#clock, sliceMs);
  }
}

class PacedSlicer extends Slicer {
  readonly #clock: Clock;
  readonly #loop = new LoopUtilization();
  #isBusy = false;

  constructor(clock: Clock, sliceDurationMs: number) {
    super(clock, sliceDurationMs);
    this.#clock = clock;
  }

  override async rest(): Promise<void> {
    this.#loop.read(); // our own slice does not count
    await this.#clock.sleep(this.#isBusy ? busyRestMs : restMs);
    this.#isBusy = this.#loop.read() > busyShare;
    await super.rest();
  }
}
