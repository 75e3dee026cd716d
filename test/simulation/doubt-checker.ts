// The promises of src/cluster/membership/engine-talk.ts, as seen from outside: after a commit that was refused, or whose
// outcome is not known, a node commits nothing before the answer to a read that it sent after it; but for a heartbeat of which
// another attempt is known to have succeeded, and of which two are under way at the most. And after a failure it
// leaves the engine alone for a while. A broken one throws Violation.

import { Violation } from './checker.ts';

/** After a read that failed, or a commit of unknown outcome, before the next of its kind. */
const pauseMsMin = 150;

interface SentCommit {
  readonly now: number;
  readonly isHeartbeat: boolean;
}

export class DoubtChecker {
  readonly #name: string;
  readonly #answerMs: number;
  readonly #sent = new Map<number, SentCommit>();
  #lastId = 0;
  #lastRead: { readonly id: number; readonly now: number } | undefined;
  #readFailedAt = Number.NEGATIVE_INFINITY;
  #commitFailedAt = Number.NEGATIVE_INFINITY;
  /** The last request before a commit's bad outcome became known. */
  #doubtfulId: number | undefined;

  constructor(name: string, answerMs: number) {
    this.#name = name;
    this.#answerMs = answerMs;
  }

  reads(id: number, now: number): void {
    if (now < this.#readFailedAt + pauseMsMin) {
      throw new Violation(`${this.#name} reads ${now - this.#readFailedAt} ms after a read that failed`);
    }
    this.#lastId = id;
    this.#lastRead = { id, now };
  }

  /** An earlier one, or one that has taken long, may be given up by now: whether it failed does not matter then. */
  wasNotRead(id: number, now: number): void {
    const isAwaited = id === this.#lastRead?.id && now < this.#lastRead.now + this.#answerMs;
    if (isAwaited) this.#readFailedAt = now;
  }

  wasRead(id: number): void {
    if (this.#doubtfulId !== undefined && id > this.#doubtfulId) this.#doubtfulId = undefined;
  }

  commits(id: number, commit: SentCommit): void {
    if (this.#doubtfulId !== undefined) {
      throw new Violation(`${this.#name} commits before it knows what became of its last commit`);
    }
    if (commit.now < this.#commitFailedAt + pauseMsMin) {
      const agoMs = commit.now - this.#commitFailedAt;
      throw new Violation(`${this.#name} commits ${agoMs} ms after a commit of unknown outcome`);
    }
    this.#lastId = id;
    this.#sent.set(id, commit);
    const since = commit.now - this.#answerMs;
    const underWay = [...this.#sent.values()].filter((sent) => sent.isHeartbeat && sent.now > since);
    if (underWay.length > 2) throw new Violation(`${this.#name} has three heartbeats under way`);
  }

  /** An answer that the node has given up waiting for changes nothing. */
  wasCommitted(id: number, outcome: string, now: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    if (now >= sent.now + this.#answerMs) return;
    if (outcome === 'unknown') this.#commitFailedAt = now;
    if (outcome !== 'committed') this.#doubtfulId = this.#lastId;
    else if (sent.isHeartbeat) {
      for (const [other, { isHeartbeat }] of this.#sent) if (isHeartbeat) this.#sent.delete(other);
    }
  }
}
