// The promise of src/cluster/membership/engine-talk.ts, as seen from outside: after a commit that was refused, or whose
// outcome is not known, a node commits nothing before the answer to a read that it sent after it. A broken one throws Violation.

import { Violation } from './checker.ts';

export class DoubtChecker {
  readonly #name: string;
  readonly #answerMs: number;
  readonly #sentAt = new Map<number, number>();
  #lastId = 0;
  /** The last request before a commit's bad outcome became known. */
  #doubtfulId: number | undefined;

  constructor(name: string, answerMs: number) {
    this.#name = name;
    this.#answerMs = answerMs;
  }

  reads(id: number): void {
    this.#lastId = id;
  }

  wasRead(id: number): void {
    if (this.#doubtfulId !== undefined && id > this.#doubtfulId) this.#doubtfulId = undefined;
  }

  commits(id: number, now: number): void {
    if (this.#doubtfulId !== undefined) {
      throw new Violation(`${this.#name} commits before it knows what became of its last commit`);
    }
    this.#lastId = id;
    this.#sentAt.set(id, now);
  }

  /** An answer that the node has given up waiting for changes nothing. */
  wasCommitted(id: number, outcome: string, now: number): void {
    const isLate = now >= this.#sentAt.get(id)! + this.#answerMs;
    this.#sentAt.delete(id);
    if (outcome !== 'committed' && !isLate) this.#doubtfulId = this.#lastId;
  }
}
