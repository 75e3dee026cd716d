// Lines between nodes, and between a node and the engine: each direction of each has its own delay and may be cut.
// In bad weather messages are late, lost or come twice.

import type { EventQueue } from './event-queue.ts';

export type Endpoint = string;
export const engineEndpoint: Endpoint = 'engine';

export interface Chance {
  /** 0 <= n < 1 */
  unit(): number;
}

/** A client of the engine gives up after so long without an answer. */
const answerTimeoutMs = 2_500;
/** A late answer may still be of use, or not. */
const lateMsMax = 1.5 * answerTimeoutMs;
/** How often it then asks what has become of its commit. */
const resolveRetryMs = 400;

/**
 * The connections of a node to the engine: one on which its commits go in line, one for what goes apart from them, and several
 * that read.
 */
export type Way = 'commits' | 'apart' | 'reads';

export interface EngineRequest<Result> {
  readonly from: Endpoint;
  readonly way: Way;
  /** Happens at the engine, at one moment. */
  apply(): Result;
  /** `unknown`: no answer came; for a request that must be resolved, it will not happen any more. */
  answered(result: Result | 'unknown'): void;
  /** The commit must have happened, or never happen, before `unknown` is said. */
  readonly isResolved: boolean;
}

export class SimulatedNetwork {
  readonly #queue: EventQueue;
  readonly #chance: Chance;
  readonly #cuts = new Map<string, number>();
  isEngineUp = (): boolean => true;
  /** Whose requests the engine's machine refuses at once, as while it starts; what is merely away does not answer. */
  readonly refused = new Set<Endpoint>();
  /** 0: fair; up to 1: a storm. */
  weather = 0;
  /** Part of the engine's requests that get stuck on the way for seconds. */
  stuck = 0;
  /** Part of the engine's answers that are late, or too late. */
  late = 0;

  /** Node and way → until when one of its connections there hangs. */
  readonly #hangs = new Map<string, number>();

  constructor(queue: EventQueue, chance: Chance) {
    this.#queue = queue;
    this.#chance = chance;
  }

  cut(from: Endpoint, to: Endpoint): void {
    const line = `${from}>${to}`;
    this.#cuts.set(line, (this.#cuts.get(line) ?? 0) + 1);
  }

  mend(from: Endpoint, to: Endpoint): void {
    const line = `${from}>${to}`;
    const cuts = (this.#cuts.get(line) ?? 0) - 1;
    if (cuts > 0) this.#cuts.set(line, cuts);
    else this.#cuts.delete(line);
  }

  /** All commits of the node that go in line hang until then, or the one read that is sent next. */
  hang(from: Endpoint, way: Way, forMs: number): void {
    this.#hangs.set(`${from} ${way}`, this.#queue.now + forMs);
  }

  mendAll(): void {
    this.#cuts.clear();
    this.#hangs.clear();
    this.weather = 0;
    this.stuck = 0;
    this.late = 0;
    this.refused.clear();
  }

  isCut(from: Endpoint, to: Endpoint): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** Node to node; may be lost, late or doubled. */
  send(from: Endpoint, to: Endpoint, arrive: () => void): void {
    if (from === to) {
      this.#queue.after(0.05, arrive);
      return;
    }
    const copies = this.weather > 0 && this.#chance.unit() < this.weather * 0.2 ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.isCut(from, to) || this.#chance.unit() < this.weather * 0.2) continue;
      this.#queue.after(this.#delayMs(), arrive);
    }
  }

  request<Result>(request: EngineRequest<Result>): void {
    const flight = { isOver: false, isApplied: false, mayApply: true };
    const finish = (result: Result | 'unknown'): void => {
      if (flight.isOver) return;
      flight.isOver = true;
      request.answered(result);
    };
    const arrive = (): void => {
      if (!flight.mayApply) return;
      if (this.refused.has(request.from)) {
        this.#queue.after(this.#delayMs(), giveUp);
        return;
      }
      if (!this.isEngineUp()) return;
      flight.isApplied = true;
      const result = request.apply();
      if (this.isCut(engineEndpoint, request.from)) return;
      const isLate = this.late > 0 && this.#chance.unit() < this.late;
      const delayMs = isLate ? this.#chance.unit() * lateMsMax : this.#delayMs();
      this.#queue.after(delayMs, () => {
        if (this.isCut(engineEndpoint, request.from)) return;
        if (this.refused.has(request.from)) giveUp();
        else if (this.isEngineUp()) finish(result);
      });
    };
    const isStuck = this.stuck > 0 && this.#chance.unit() < this.stuck;
    if (isStuck) this.#queue.after(1_000 + this.#chance.unit() * 9_000, arrive);
    else if (!this.isCut(request.from, engineEndpoint))
      this.#queue.after(this.#delayMs() + 0.5 + this.#hangMs(request), arrive);
    const giveUp = (): void => {
      if (flight.isOver) return;
      const { from, isResolved } = request;
      const isCut = this.isCut(from, engineEndpoint) || this.isCut(engineEndpoint, from);
      const reaches = !isCut && !this.refused.has(from);
      if (isResolved && !(reaches && this.isEngineUp())) {
        this.#queue.after(resolveRetryMs, giveUp);
        return;
      }
      flight.mayApply = !isResolved;
      finish('unknown');
    };
    this.#queue.after(answerTimeoutMs, giveUp);
  }

  #hangMs({ from, way }: EngineRequest<unknown>): number {
    const name = `${from} ${way}`;
    const leftMs = (this.#hangs.get(name) ?? 0) - this.#queue.now;
    // A read that is sent while another one hangs goes on another connection.
    if (leftMs <= 0 || way === 'reads') this.#hangs.delete(name);
    return Math.max(0, leftMs);
  }

  #delayMs(): number {
    const calm = 0.2 + this.#chance.unit() * 1.5;
    return this.weather > 0 && this.#chance.unit() < this.weather ? calm + this.#chance.unit() * 800 : calm;
  }
}
