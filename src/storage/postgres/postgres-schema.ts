// The tables and the one function that Rookery makes in its database, in a schema of its own named `rookery`.
//
// Invariant: the schema is made in one transaction under a lock, so nodes may start at once; its version is a row, and a
// version that is newer than this program is refused. The function's name carries its version: nodes of two versions can
// work side by side while an update rolls through the cluster.

import { Fault } from '../../base/fault.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { PostgresSession } from './postgres-session.ts';

/** Rises with every change below that an older program cannot work with. */
export const schemaVersion = 1;

/** Any number, as long as all nodes take the same. */
const schemaLock = 7_665_574_479_001_103n;

/**
 * kv: the rows. Values are compressed by those who write them where it pays, so the server does not try (EXTERNAL). The fill
 * factor leaves room for a changed row beside the old one, which spares the index; vacuum comes by rows changed, not by their
 * share of a table that only grows.
 *
 * writer, outcome: who commits, and what became of its last groups, so that a commit whose answer was lost can be resolved.
 */
const tables = `
CREATE SCHEMA rookery;
CREATE TABLE rookery.version (version integer NOT NULL);
CREATE TABLE rookery.kv (key bytea PRIMARY KEY, value bytea NOT NULL) WITH (
  fillfactor = 85,
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 1);
ALTER TABLE rookery.kv ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE TABLE rookery.writer (
  writer bytea PRIMARY KEY, generation bigint NOT NULL, seen timestamptz NOT NULL DEFAULT now());
CREATE TABLE rookery.outcome (
  writer bytea NOT NULL, sequence bigint NOT NULL, outcome text NOT NULL, PRIMARY KEY (writer, sequence)) WITH (
  autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 1);
INSERT INTO rookery.version VALUES (1);
`;

/** SQLSTATEs of our own. */
export const superseded = 'RK001';
export const outOfOrder = 'RK002';
export const noStandby = 'RK003';
/** PostgreSQL's. */
const diskFull = '53100';

/**
 * Applies a group of batches that was merged into one (postgres-merge.ts), or a batch alone.
 *
 * Returns '' when it was applied. Otherwise nothing was, and it names the checks that failed: fences, conditions and absences
 * are numbered through in that order. \`alone\`: this answer is final, the next group of the writer may go on.
 *
 * The checks lock what they looked at until the transaction ends: a fence shared, a condition's row for itself. A key that
 * must be absent is inserted at once, with the value that it is to have or an empty one; two who do so meet in the index, and
 * the later one waits and then fails. Rows are locked in the order of their keys within each step.
 *
 * The session's own counter keeps the groups of a writer in line although they are sent without waiting: when one of them
 * failed, those behind it fail too, to be sent again. The writer's generation rises when it connects anew: then what is still
 * under way on an older connection can no longer be applied.
 */
const applyFunction = `
CREATE OR REPLACE FUNCTION rookery.apply_v1(
  a_writer bytea, a_generation bigint, a_sequence bigint, alone integer, standby integer,
  fence_keys bytea[], fence_values bytea[], condition_keys bytea[], condition_values bytea[],
  absent_keys bytea[], absent_values bytea[], range_starts bytea[], range_ends bytea[],
  delete_keys bytea[], put_keys bytea[], put_values bytea[]) RETURNS text LANGUAGE plpgsql AS $body$
DECLARE
  fences integer := cardinality(fence_keys);
  conditions integer := cardinality(condition_keys);
  absences integer := cardinality(absent_keys);
  held integer;
  failed text := '';
BEGIN
  PERFORM FROM rookery.writer WHERE writer = a_writer AND generation = a_generation FOR SHARE;
  IF NOT FOUND THEN RAISE EXCEPTION 'another connection of this writer took over' USING ERRCODE = '${superseded}'; END IF;
  IF current_setting('rookery.sequence', true) IS DISTINCT FROM (a_sequence - 1)::text THEN
    RAISE EXCEPTION 'a group before this one was not applied' USING ERRCODE = '${outOfOrder}';
  END IF;
  IF standby > 0 AND NOT EXISTS (SELECT FROM pg_stat_get_wal_senders() WHERE sync_state IN ('sync', 'quorum')) THEN
    IF standby = 1 THEN RAISE EXCEPTION 'no synchronous standby is attached' USING ERRCODE = '${noStandby}'; END IF;
    PERFORM set_config('synchronous_commit', 'local', true);
  END IF;

  IF fences > 0 THEN
    SELECT count(*) INTO held FROM (
      SELECT FROM unnest(fence_keys, fence_values) AS f (key, value) JOIN rookery.kv ON kv.key = f.key
      WHERE kv.value = f.value FOR SHARE OF kv) AS locked;
    IF held < fences THEN
      SELECT string_agg((f.place - 1)::text, ',') INTO failed
      FROM unnest(fence_keys, fence_values) WITH ORDINALITY AS f (key, value, place)
      WHERE NOT EXISTS (SELECT FROM rookery.kv WHERE kv.key = f.key AND kv.value = f.value);
      IF failed IS NULL THEN RAISE EXCEPTION 'a fence changed meanwhile' USING ERRCODE = '40001'; END IF;
    END IF;
  END IF;
  IF conditions > 0 THEN
    SELECT count(*) INTO held FROM (
      SELECT FROM unnest(condition_keys, condition_values) AS c (key, value) JOIN rookery.kv ON kv.key = c.key
      WHERE kv.value = c.value FOR UPDATE OF kv) AS locked;
    IF held < conditions THEN
      SELECT concat_ws(',', nullif(failed, ''), string_agg((fences + c.place - 1)::text, ',')) INTO failed
      FROM unnest(condition_keys, condition_values) WITH ORDINALITY AS c (key, value, place)
      WHERE NOT EXISTS (SELECT FROM rookery.kv WHERE kv.key = c.key AND kv.value = c.value);
      IF failed = '' THEN RAISE EXCEPTION 'a condition changed meanwhile' USING ERRCODE = '40001'; END IF;
    END IF;
  END IF;
  IF absences > 0 THEN
    SELECT concat_ws(',', nullif(failed, ''), string_agg((fences + conditions + a.place - 1)::text, ',')) INTO failed
    FROM unnest(absent_keys) WITH ORDINALITY AS a (key, place) JOIN rookery.kv ON kv.key = a.key;
    IF failed = '' THEN
      INSERT INTO rookery.kv SELECT * FROM unnest(absent_keys, absent_values) ON CONFLICT (key) DO NOTHING;
      GET DIAGNOSTICS held = ROW_COUNT;
      IF held < absences THEN RAISE EXCEPTION 'a row came meanwhile' USING ERRCODE = '40001'; END IF;
    END IF;
  END IF;

  IF failed = '' THEN
    FOR place IN 1 .. cardinality(range_starts) LOOP
      DELETE FROM rookery.kv WHERE key >= range_starts[place] AND key < range_ends[place];
    END LOOP;
    IF cardinality(delete_keys) > 0 THEN
      DELETE FROM rookery.kv USING unnest(delete_keys) AS d (key) WHERE kv.key = d.key;
    END IF;
    IF cardinality(put_keys) > 0 THEN
      INSERT INTO rookery.kv SELECT * FROM unnest(put_keys, put_values)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    END IF;
  ELSE
    PERFORM set_config('synchronous_commit', 'off', true);
    IF alone = 0 THEN RETURN failed; END IF;
  END IF;
  INSERT INTO rookery.outcome VALUES (a_writer, a_sequence, failed);
  IF a_sequence % 1024 = 0 THEN
    DELETE FROM rookery.outcome WHERE writer = a_writer AND sequence < a_sequence - 1024;
  END IF;
  PERFORM set_config('rookery.sequence', a_sequence::text, false);
  RETURN failed;
END $body$;
`;

/** Makes the schema when there is none. Rejects with Fault when it is newer than this program. */
export async function prepareSchema(session: PostgresSession): Promise<void> {
  if ((await foundVersion(session)) === schemaVersion) return;
  const one = (name: string, text: string) => session.run({ name: `schema_${name}`, text });
  await one('begin', 'BEGIN');
  try {
    // It is not to wait for a standby that may be what is missing: whether one is needed is said by the first commit.
    await one('local', "SELECT set_config('synchronous_commit', 'local', true)");
    // Held until the transaction ends; the second one finds what the first one made.
    await one('lock', `SELECT pg_advisory_xact_lock(${schemaLock})`);
    if ((await foundVersion(session)) !== schemaVersion) {
      await one('make', inOneStatement(tables + applyFunction));
    }
    await one('commit', 'COMMIT');
  } catch (error) {
    if (!session.isLost) await one('rollback', 'ROLLBACK');
    throw error;
  }
}

/** A prepared statement is one statement: the many are run by a block. */
function inOneStatement(text: string): string {
  return `DO $schema$ BEGIN EXECUTE $text$${text}$text$; END $schema$`;
}

/** Read from the catalogue itself: to_regclass may answer from a cache that has not heard of another node's commit. */
const thereStatement = {
  name: 'schema_there',
  text: `SELECT count(*)::int FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'rookery' AND relname = 'version'`,
};

/** Undefined: there is no schema. */
async function foundVersion(session: PostgresSession): Promise<number | undefined> {
  const there = await session.run(thereStatement);
  if (there.rows[0]![0]!.readInt32BE() === 0) return undefined;
  const { rows } = await session.run({
    name: 'schema_version',
    text: 'SELECT max(version) FROM rookery.version',
  });
  const version = rows[0]?.[0]?.readInt32BE();
  if (version === undefined || version > schemaVersion) {
    const reason = `its schema has version ${version}; this Rookery knows up to ${schemaVersion}: start a newer one`;
    throw new Fault(`cannot open the store in PostgreSQL: ${reason}`, { temporary: false });
  }
  return version;
}

/** What a commit that the server refused with this code rejects with. */
export function refusalFor(code: string, cause: unknown): Error {
  if (code === noStandby)
    return new MailError('unavailable', 'no synchronous standby is attached', { cause });
  if (code === diskFull) return new MailError('storageFull', 'the disk of the database is full', { cause });
  return new Fault('a commit failed', { temporary: true, cause });
}
