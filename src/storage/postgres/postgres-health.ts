// What the database server says of itself and of its standbys, for operators. Without the rights of pg_monitor a standby's
// state and lag are not known, and it says so; whether writes wait for one is the writer's business (postgres-takeover.ts), not this.

import type { EngineHealth } from '../engine.ts';
import type { RunStatement } from './postgres-reads.ts';

/** A standby is behind by what it has not on disk yet. */
const healthStatement = {
  name: 'health',
  text: `SELECT json_build_object(
  'server', coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'a local socket'),
  'version', current_setting('server_version'),
  'role', current_user,
  'maySeeStandbys', pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
  'standbys', coalesce((
    SELECT json_agg(json_build_object(
      'name', coalesce(application_name, 'not known'), 'state', coalesce(state, 'not known'),
      'isSynchronous', coalesce(sync_state IN ('sync', 'quorum'), false),
      'lagBytes', greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn))::bigint
    ) ORDER BY application_name) FROM pg_stat_replication), '[]'))::text`,
};

export async function readHealth(run: RunStatement): Promise<Omit<EngineHealth, 'needsStandby'>> {
  const rows = await run(healthStatement, []);
  return JSON.parse(rows[0]![0]!.toString('utf8')) as EngineHealth;
}
