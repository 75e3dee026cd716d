// One coarse timer for all connections of a process: it ticks once a second and asks every member whether a deadline
// of its own has passed. A member costs one Set entry and a few numbers, not a timer each; asking 10,000 members takes
// well under a millisecond. Invariant: a deadline taken with `deadlineIn` never fires early; it may be two ticks late.

import type { Clock, Timer } from '../../base/clock.ts';

export interface Deadlined {
  /** Called at every tick with the ticker's time. */
  checkDeadlines(nowMs: number): void;
}

/** Idle limits are minutes long: a second more or less is nothing, and a finer tick would cost sleep. */
const tickMsDefault = 1000;

export class DeadlineTicker {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #members = new Set<Deadlined>();
  #nowMs: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, tickMs = tickMsDefault) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#nowMs = clock.monotonic();
  }

  /** A deadline for `checkDeadlines`, at least `delayMs` from now. Costs no system call. */
  deadlineIn(delayMs: number): number {
    return this.#nowMs + delayMs + this.#tickMs;
  }

  add(member: Deadlined): void {
    this.#members.add(member);
    if (this.#timer === undefined) this.#schedule();
  }

  delete(member: Deadlined): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(): void {
    this.#nowMs = this.#clock.monotonic();
    this.#timer = this.#clock.after(this.#tickMs, () => this.#tick());
  }

  #tick(): void {
    this.#schedule();
    for (const member of this.#members) member.checkDeadlines(this.#nowMs);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
