// How fast indexes are built: by all accounts together one slice at a time, and the busier the process, the longer the
// rests between slices, so that deliveries do not wait for indexing. Owns nothing but the place in line.

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';

/** What one slice takes of the event loop. */
const sliceMs = 4;
/** Rest for so many times what others took of the loop since. */
const restFactor = 8;
const restMsMax = 250;

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

  constructor(clock: Clock, sliceDurationMs: number) {
    super(clock, sliceDurationMs);
    this.#clock = clock;
  }

  override async rest(): Promise<void> {
    const startedAt = this.#clock.monotonic();
    await this.#clock.yieldTurn();
    const othersMs = this.#clock.monotonic() - startedAt;
    // An idle loop turns in no time.
    if (othersMs > 1) await this.#clock.sleep(Math.min(othersMs * restFactor, restMsMax));
    await super.rest();
  }
}
