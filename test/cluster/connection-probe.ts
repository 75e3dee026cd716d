// New connections to a balancer all the time, each from an address of its own, and what became of each: greeted, or not
// (refused, closed, or still nothing when it was closed for it). A failure is a result here, not an error.

import { connect } from 'node:net';
import { systemClock } from '../../src/base/clock.ts';
import type { Entrance } from './client-sessions.ts';

export interface Probed {
  /** Milliseconds, monotonic. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly isGreeted: boolean;
}

const intervalMs = 20;
/** Far above what a greeting takes on a loaded machine. */
const patienceMs = 30_000;

export class ConnectionProbe implements AsyncDisposable {
  readonly done: Probed[] = [];
  readonly #entrance: Entrance;
  readonly #pending = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #isStopping = false;

  constructor(entrance: Entrance) {
    this.#entrance = entrance;
    this.#loop = this.#run();
  }

  /** Resolves when so many that began at `since` or later have ended; gives all of these. */
  async since(since: number, count: number): Promise<Probed[]> {
    for (;;) {
      const found = this.done.filter(({ startedAt }) => startedAt >= since);
      if (found.length >= count) return found;
      await systemClock.sleep(intervalMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#loop;
    await Promise.all(this.#pending);
  }

  async #run(): Promise<void> {
    for (let count = 0; !this.#isStopping; count++) {
      const pending = this.#probe(count).finally(() => this.#pending.delete(pending));
      this.#pending.add(pending);
      await systemClock.sleep(intervalMs);
    }
  }

  async #probe(count: number): Promise<void> {
    const startedAt = systemClock.monotonic();
    const localAddress = `127.200.${Math.floor(count / 250) % 250}.${1 + (count % 250)}`;
    const socket = connect({
      host: this.#entrance.host,
      port: this.#entrance.port('imap'),
      localAddress,
      timeout: patienceMs,
    });
    const isGreeted = await new Promise<boolean>((resolve) => {
      socket.once('data', (text) => resolve(String(text).startsWith('* OK')));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
      socket.once('timeout', () => resolve(false));
    });
    socket.destroy();
    this.done.push({ startedAt, endedAt: systemClock.monotonic(), isGreeted });
  }
}
