// How busy the event loop is, for work that makes way for everything else.

import { type EventLoopUtilization, performance } from 'node:perf_hooks';

export class LoopUtilization {
  #since: EventLoopUtilization = performance.eventLoopUtilization();

  /** The share of time, 0 to 1, that the loop was busy since the last call (or the beginning). */
  read(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#since);
    this.#since = now;
    return utilization;
  }
}
