// Why a connection says nothing: asked over another one, long before the limit after which it is given up anyway. What became of
// its commits is then found out as after any other loss (postgres-takeover.ts), and its reads are asked again elsewhere
// (postgres-readers.ts), so a wrong answer here costs time, never mail.
//
// A server that is at work, however slowly, is waited for. That is the difference to a shorter limit: a disk that
// takes ten seconds for a flush would make every node end its connection and send everything again, for nothing. A server that is
// late with all its answers is late with the look too, which takes several; without an answer to it nothing is left.

import type { Clock } from '../../base/clock.ts';
import type { PostgresSession } from './postgres-session.ts';

/**
 * A heartbeat in line behind the commit that hangs is due to be answered within answerMs (3 s, cluster/membership/member-times.ts), else
 * the node lets its accounts go. A look costs one connection, tens of milliseconds; the answer's grace and taking over as much again.
 */
export const silenceMs = 1_000;
/** An answer that was sent before the look may be on its way. */
const graceMs = 200;

/** A role sees its own processes; to see standbys takes the rights of pg_monitor. */
const lookStatement = {
  name: 'look',
  text: `SELECT CASE
  WHEN state = 'idle' OR wait_event IN ('ClientRead', 'ClientWrite') THEN 'the server waits for us'
  WHEN wait_event = 'SyncRep' AND pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_stat_get_wal_senders() WHERE sync_state IN ('sync', 'quorum'))
    THEN 'it waits for a standby, and none is attached' END
FROM pg_stat_activity WHERE pid = $1 AND application_name = $2`,
};

export interface SilentConnection {
  readonly pid: number;
  readonly applicationName: string;
}

/** Of each in order; undefined: the server is at work on it. Closes `other`. */
export async function explainSilence(
  other: PostgresSession,
  connections: readonly SilentConnection[],
  clock: Pick<Clock, 'sleep'>,
): Promise<(string | undefined)[]> {
  try {
    const answers = await Promise.all(
      connections.map(({ pid, applicationName }) => other.run(lookStatement, [pid, applicationName])),
    );
    const isWaited = answers.some(({ rows }) => rows[0]?.[0] !== undefined);
    if (isWaited) await clock.sleep(graceMs);
    return answers.map(({ rows }) =>
      rows.length === 0 ? 'the server does not know it any more' : rows[0]![0]?.toString('utf8'),
    );
  } finally {
    await other.close();
  }
}

interface Wanted extends SilentConnection {
  readonly resolve: (why: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Of connections of which there are many: one connection at a time looks after all that are silent then. */
export class GatheredLooks {
  readonly #connect: () => Promise<PostgresSession>;
  readonly #clock: Pick<Clock, 'sleep'>;
  #wanted: Wanted[] = [];
  #isLooking = false;

  constructor(connect: () => Promise<PostgresSession>, clock: Pick<Clock, 'sleep'>) {
    this.#connect = connect;
    this.#clock = clock;
  }

  explain({ pid, applicationName }: SilentConnection): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ pid, applicationName, resolve, reject });
      if (!this.#isLooking) void this.#look();
    });
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#wanted.length > 0) {
      const opening = this.#connect();
      // Connections that fell silent together are found late one by one, each by its own timer.
      await Promise.allSettled([opening]);
      const wanted = this.#wanted;
      this.#wanted = [];
      try {
        const whys = await explainSilence(await opening, wanted, this.#clock);
        for (let index = 0; index < wanted.length; index++) wanted[index]!.resolve(whys[index]);
      } catch (error) {
        for (const { reject } of wanted) reject(error);
      }
    }
    this.#isLooking = false;
  }
}
