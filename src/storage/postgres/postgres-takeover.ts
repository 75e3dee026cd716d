// How a writer begins on a connection: it raises its generation, after which no group of an older connection can be applied,
// and reads what became of the groups whose answers it never had.
//
// Invariant: raising waits for the transaction of an older connection that is still under way, because that holds the
// writer's row; so what is read afterwards is final.

import { Fault } from '../../base/fault.ts';
import type { PostgresSession } from './postgres-session.ts';

export interface WriterIdentity {
  /** Of this opening of the store; never used again. */
  readonly id: Buffer;
  /** As the server knows its connections. */
  readonly applicationName: string;
}

/** A writer that did not show itself for so long is gone; its rows are removed. */
const writerDays = 7;

/** Starts at the time rather than at 1: a row that was removed and comes back has another generation than before. */
const raise = {
  name: 'raise',
  text: `INSERT INTO rookery.writer (writer, generation) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
ON CONFLICT (writer) DO UPDATE SET generation = rookery.writer.generation + 1, seen = now() RETURNING generation`,
};
const terminate = {
  name: 'terminate',
  text: 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
};
const synchronous = {
  name: 'synchronous',
  text: "SELECT set_config('synchronous_commit', $1, false)",
};
const readOutcomes = {
  name: 'outcomes',
  text: 'SELECT sequence, outcome FROM rookery.outcome WHERE writer = $1 AND sequence > $2',
};
const readOutcome = {
  name: 'outcome',
  text: 'SELECT sequence FROM rookery.outcome WHERE writer = $1 AND sequence = $2',
};
/** A commit that waits for the standby: what was committed before it is there too, then. */
const confirm = { name: 'confirm', text: 'UPDATE rookery.writer SET seen = now() WHERE writer = $1' };
/** The standbys that a commit waits for. To see them takes the rights of pg_monitor. */
export const standbyStatement = {
  name: 'standby',
  text: "SELECT count(*)::int FROM pg_stat_get_wal_senders() WHERE sync_state IN ('sync', 'quorum')",
};

export interface TakeOverOptions {
  readonly needsStandby: boolean;
  /**
   * There were connections before this one, which the server may still think open: one that waits for a standby that is gone
   * would hold the writer's row for ever.
   */
  readonly isAgain: boolean;
}

/** The new generation. From then on the session's commits wait for the disk at least, and for the standby if that is wanted. */
export async function takeOver(
  session: PostgresSession,
  identity: WriterIdentity,
  { needsStandby, isAgain }: TakeOverOptions,
): Promise<bigint> {
  if (isAgain) await session.run(terminate, [identity.applicationName]);
  const text = "SELECT current_setting('synchronous_commit')";
  const setting = String((await session.run({ name: 'setting', text })).rows[0]![0]);
  // Raising is not to wait for a standby that may be what is missing.
  await session.run(synchronous, ['local']);
  const { rows } = await session.run(raise, [identity.id]);
  await session.run(synchronous, [synchronousCommit(setting, needsStandby)]);
  return rows[0]![0]!.readBigInt64BE();
}

/** What the server has by default, or more. */
export function synchronousCommit(setting: string, needsStandby: boolean): string {
  const tooLittle = needsStandby ? ['off', 'local', 'remote_write'] : ['off'];
  return tooLittle.includes(setting) ? 'on' : setting;
}

export interface Outcomes {
  /** By the groups' sequence; what is not there was not applied and never will be. */
  readonly outcomes: ReadonlyMap<bigint, string>;
  /** False: they are to be on a standby, and none is attached. */
  readonly areConfirmed: boolean;
}

/** Of the groups behind `since`. Rejects when a standby is attached and does not answer, or went away meanwhile. */
export async function resolveOutcomes(
  session: PostgresSession,
  identity: WriterIdentity,
  since: bigint,
  standby: 'needed' | 'ifAttached' | 'none',
): Promise<Outcomes> {
  const { rows } = await session.run(readOutcomes, [identity.id, since]);
  const outcomes = new Map<bigint, string>();
  for (const [sequence, outcome] of rows)
    outcomes.set(sequence!.readBigInt64BE(), outcome!.toString('latin1'));
  if (standby === 'none' || outcomes.size === 0) return { outcomes, areConfirmed: true };
  const areConfirmed = (await isOnStandby(session, identity)) || standby === 'ifAttached';
  return { outcomes, areConfirmed };
}

/** Whether the server has the group, one of the last: another server took over, perhaps, that lacks what was acknowledged. */
export async function hasGroup(
  session: PostgresSession,
  identity: WriterIdentity,
  sequence: bigint,
): Promise<boolean> {
  return (await session.run(readOutcome, [identity.id, sequence])).rows.length > 0;
}

/** Whether a standby has everything that was committed so far; false: none is attached. Rejects when one was and went away. */
export async function isOnStandby(session: PostgresSession, identity: WriterIdentity): Promise<boolean> {
  const before = await session.run(standbyStatement);
  if (before.rows[0]![0]!.readInt32BE() === 0) return false;
  const { warnings } = await session.run(confirm, [identity.id]);
  const after = await session.run(standbyStatement);
  if (after.rows[0]![0]!.readInt32BE() === 0 || warnings.length > 0) {
    throw new Fault('the synchronous standby went away', { temporary: true });
  }
  return true;
}

/** The next group that this session takes is the one behind `sequence`. */
export async function continueAfter(session: PostgresSession, sequence: bigint): Promise<void> {
  const text = "SELECT set_config('rookery.sequence', $1, false)";
  await session.run({ name: 'continue', text }, [String(sequence)]);
}

/** Removes what writers left that are gone. */
export async function pruneWriters(session: PostgresSession, identity: WriterIdentity): Promise<void> {
  // Nothing of it need last; and waiting for a standby that is away would hold the row that every commit of ours looks at.
  await session.run(synchronous, ['off']);
  await session.run(confirm, [identity.id]);
  const old = `seen < now() - interval '${writerDays} days'`;
  await session.run({
    name: 'prune_outcomes',
    text: `DELETE FROM rookery.outcome WHERE writer IN (SELECT writer FROM rookery.writer WHERE ${old})`,
  });
  await session.run({ name: 'prune_writers', text: `DELETE FROM rookery.writer WHERE ${old}` });
}
