// The connections of an engine, each opened for a purpose, with that purpose's limits; and what is done about those that hang:
// another connection asks the server why (postgres-silence.ts). Those that commit are asked after each by itself, since a node's
// sign of life waits for them; those that read together, since there are many of them.
//
// Invariant: of connections that only read, one at a time is opened to look after all others, however many hang.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { connectPostgres, type SessionSettings } from './postgres-connect.ts';
import type { PostgresSession, Silence } from './postgres-session.ts';
import { explainSilence, GatheredLooks, type SilentConnection, silenceMs } from './postgres-silence.ts';

/**
 * A commit waits this long for its disk or standby before its connection is given up and its outcome looked up; for a connection that
 * hangs only until that is known (postgres-silence.ts).
 */
const commitLimitMsDefault = 20_000;
const lockTimeoutMs = 5_000;
/**
 * All commits of a node wait behind one that waits for a row: a group waits so long, then once more the batch of it that is the
 * reason, which is refused. Whoever is alive locks rows for milliseconds.
 */
const commitLockTimeoutMs = 2_000;
/** What goes apart has not the time to wait for a connection that hangs. */
const apartLimitMs = 3_000;
const readLimitMs = 30_000;

export type Purpose = 'commit' | 'apart' | 'read' | 'snapshot' | 'signal' | 'upkeep' | 'look';

export interface PostgresConnectionsOptions {
  readonly url: string;
  /** Tells the connections of this engine from those of others; one word. */
  readonly tag: string;
  readonly commitLimitMs?: number | undefined;
  readonly snapshotAgeMsMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PostgresConnections {
  readonly #options: PostgresConnectionsOptions;
  readonly #looks: GatheredLooks;
  #hung = 0;

  constructor(options: PostgresConnectionsOptions) {
    this.#options = options;
    this.#looks = new GatheredLooks(() => this.open('look'), options.clock);
  }

  /** How many were left because they hung. */
  get hung(): number {
    return this.#hung;
  }

  /** `tag` in place of this engine's. */
  open(purpose: Purpose, tag: string = this.#options.tag): Promise<PostgresSession> {
    return connectPostgres(this.#options, this.#settings(purpose, `rookery ${purpose} ${tag}`));
  }

  #settings(purpose: Purpose, applicationName: string): SessionSettings {
    const settings: SessionSettings = {
      applicationName,
      statementTimeoutMs: readLimitMs,
      lockTimeoutMs,
      answerTimeoutMs: readLimitMs + lockTimeoutMs,
      idleTransactionTimeoutMs: 0,
      transactionTimeoutMs: 0,
    };
    const { commitLimitMs = commitLimitMsDefault, snapshotAgeMsMax } = this.#options;
    switch (purpose) {
      case 'commit':
      case 'apart': {
        const limitMs = purpose === 'apart' ? apartLimitMs : commitLimitMs;
        return {
          ...settings,
          silence: (pid) => this.#silence(purpose, () => this.#lookAlone({ pid, applicationName })),
          statementTimeoutMs: limitMs,
          lockTimeoutMs: commitLockTimeoutMs,
          answerTimeoutMs: limitMs,
          transactionTimeoutMs: limitMs,
        };
      }
      case 'read':
      case 'snapshot':
        return {
          ...settings,
          silence: (pid) => this.#silence(purpose, () => this.#looks.explain({ pid, applicationName })),
          // A node that stopped cannot end its own snapshots.
          idleTransactionTimeoutMs: purpose === 'snapshot' ? 2 * snapshotAgeMsMax : 0,
        };
      case 'look':
        return { ...settings, answerTimeoutMs: apartLimitMs };
      case 'signal':
      case 'upkeep':
        return settings;
    }
  }

  async #lookAlone(connection: SilentConnection): Promise<string | undefined> {
    const [why] = await explainSilence(await this.open('look'), [connection], this.#options.clock);
    return why;
  }

  #silence(purpose: Purpose, explain: Silence['explain']): Silence {
    const left = (why: string, pending: number): void => {
      this.#hung++;
      this.#options.log.warn({ purpose, why, pending }, 'a connection to the database hung and is left');
    };
    return { afterMs: silenceMs, explain, left };
  }
}
