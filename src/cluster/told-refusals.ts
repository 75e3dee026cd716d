// What is logged of strangers and of peers that are believed little: each of them can be refused as often as it likes, and the
// log is on a disk. Invariant: within a minute one line for each key, and few in all; the next line that is written
// says how many were not.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';

const windowMs = 60_000;
/** Within a minute: more tell an operator nothing more. */
const linesMax = 20;

export class ToldRefusals {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #told = new Set<string>();
  #untold = 0;
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `key`: of whom, and of what. */
  tell(key: string, level: 'info' | 'warn' | 'error', [fields, message]: readonly [object, string]): void {
    const now = this.#clock.monotonic();
    if (now >= this.#endsAt) {
      this.#told.clear();
      this.#endsAt = now + windowMs;
    }
    if (this.#told.has(key) || this.#told.size >= linesMax) {
      this.#untold++;
      return;
    }
    this.#told.add(key);
    const untold = this.#untold === 0 ? {} : { untold: this.#untold };
    this.#untold = 0;
    this.#log[level]({ ...fields, ...untold }, message);
  }
}
