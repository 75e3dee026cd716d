// The time a message may take to come. Invariant: a peer waits for each chunk no longer than dataTimeoutMs, and is on
// the whole not slower than dataBytesPerSecondMin: memory that is held for a message is not held for ever. Only time
// spent waiting for the peer counts. Too slow a peer is an IdleTimeout.

import type { Clock } from '../../base/clock.ts';
import { type Connection, ConnectionClosed, IdleTimeout } from '../kit/connection.ts';
import type { SmtpLimits } from './smtp-limits.ts';

export class DataPace {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #limits: SmtpLimits;
  #bytes = 0;
  #waitedMs = 0;

  constructor(connection: Connection, clock: Clock, limits: SmtpLimits) {
    this.#connection = connection;
    this.#clock = clock;
    this.#limits = limits;
  }

  received(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Waits for more; false at the peer's end. `midCommand` as in Connection.fill. Throws IdleTimeout, ConnectionClosed. */
  async fill(midCommand: boolean): Promise<boolean> {
    const { dataTimeoutMs, dataBytesPerSecondMin } = this.#limits;
    const restMs = dataTimeoutMs + (this.#bytes * 1000) / dataBytesPerSecondMin - this.#waitedMs;
    if (restMs <= 0) throw new IdleTimeout();
    const before = this.#clock.monotonic();
    const more = await this.#connection.fill(Math.min(restMs, dataTimeoutMs), midCommand);
    this.#waitedMs += this.#clock.monotonic() - before;
    return more;
  }

  /** The same inside a message, where the peer's end is a broken connection. */
  async fillMessage(): Promise<void> {
    if (!(await this.fill(true))) throw new ConnectionClosed();
  }
}
