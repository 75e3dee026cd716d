// How fast work on accounts goes that nobody waits for, indexing and packing: of all accounts together one slice at a time,
// with short rests while the process has nothing else to do and long ones while it has, so that deliveries do not pay for it.
// Owns nothing but the line of those who wait and what it knows of the loop. Never fails; what the works fail with is theirs.
// Invariant: at most one has its turn.

import type { Clock } from '../base/clock.ts';
import { LoopUtilization } from '../base/loop-utilization.ts';
import { Slicer } from '../base/slicer.ts';

/** What one slice takes of the event loop. */
const sliceMs = 4;
/** Between slices, to see whether the loop is busy without us. */
const restMs = 3;
/** While it is, once before a slice is thought of and once more when it still is: the works then take about 1 % of it. */
const busyRestMs = 250;
const busyShare = 0.2;

export class BackgroundPace {
  readonly #clock: Clock;
  readonly #loop = new LoopUtilization();
  #isBusy = false;
  #isTaken = false;
  readonly #line: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs `work` when those before it in line are done: `front` is for short ones. It begins with a rest: many short works are
   * no faster than a long one.
   */
  async inTurn<T>(work: () => Promise<T>, place: 'front' | 'back' = 'back'): Promise<T> {
    if (this.#isTaken) {
      await new Promise<void>((resolve) => {
        if (place === 'front') this.#line.unshift(resolve);
        else this.#line.push(resolve);
      });
    }
    this.#isTaken = true;
    try {
      await this.rest();
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next === undefined) this.#isTaken = false;
      else next();
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
  readonly #pace: BackgroundPace;

  constructor(clock: Clock, pace: BackgroundPace) {
    super(clock, sliceMs);
    this.#pace = pace;
  }

  override async rest(): Promise<void> {
    await this.#pace.rest();
    await super.rest();
  }
}
