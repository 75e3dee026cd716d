// Why a connection says nothing: asked over another one, long before the limit after which it is given up anyway. What became of
// its commits is then found out as after any other loss (postgres-takeover.ts), so a wrong answer here costs time, never mail.
//
// A server that is at work, however slowly, is waited for. That is the difference to a shorter limit: a disk that
// takes ten seconds for a flush would make every node end its connection and send everything again, for nothing.

import type { Clock } from '../base/clock.ts';
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

/** Undefined: the server is at work on it. Closes `other`. */
export async function explainSilence(
  other: PostgresSession,
  { pid, applicationName }: SilentConnection,
  clock: Pick<Clock, 'sleep'>,
): Promise<string | undefined> {
  try {
    const { rows } = await other.run(lookStatement, [pid, applicationName]);
    if (rows.length === 0) return 'the server does not know it any more';
    const why = rows[0]![0]?.toString('utf8');
    if (why !== undefined) await clock.sleep(graceMs);
    return why;
  } finally {
    await other.close();
  }
}
