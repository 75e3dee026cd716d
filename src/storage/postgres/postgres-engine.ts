// The engine of clusters: PostgreSQL, shared by the nodes of a cell.
//
// Invariants: a commit is one request, a group of batches one transaction; fences and conditions lock the rows they looked
// at, so batches of two nodes never both succeed where one of them must not (postgres-schema.ts). All reads go to the server
// that takes writes. Rows of a range that is deleted while another node writes into that range without sharing a fence or a
// condition may stay: such batches have no order.
// When the database is away, commits and reads wait and are tried again within a limit; then they reject with a temporary
// Fault, and a commit whose outcome nobody can tell with UnknownOutcomeFault (postgres-writer.ts). With durability `standby`
// and no synchronous standby attached, commits are refused with MailError('unavailable').

import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { MailError } from '../../mail/mail-error.ts';
import type {
  Batch,
  Bytes,
  CommitResult,
  Engine,
  EngineHealth,
  EngineStatistics,
  Page,
  PageLimits,
  Range,
  Snapshot,
} from '../engine.ts';
import { addBatch, GroupCommit, type PendingCommit } from '../group-commit.ts';
import { checkStoreMarker } from '../store-marker.ts';
import { Topics } from '../topics.ts';
import { PostgresConnections, type Purpose } from './postgres-connections.ts';
import { readHealth } from './postgres-health.ts';
import { PostgresReaders } from './postgres-readers.ts';
import { type RunStatement, readMany, readPage } from './postgres-reads.ts';
import { prepareSchema } from './postgres-schema.ts';
import type { PostgresSession } from './postgres-session.ts';
import { PostgresSignals } from './postgres-signals.ts';
import { PostgresSnapshots } from './postgres-snapshots.ts';
import { pruneWriters, synchronousCommit, type WriterIdentity } from './postgres-takeover.ts';
import { type Durability, PostgresWriter } from './postgres-writer.ts';

/** Reads share these; more of them help only while the server has cores that idle. */
const readConnectionsDefault = 4;
const snapshotsDefault = 16;
/** An old snapshot keeps the server from removing rows that were changed since. */
const snapshotAgeMsDefault = 5 * 60 * 1000;
/** A failover with Patroni takes 10 to 30 s; a client of mail waits longer than that. */
const awayLimitMsDefault = 30_000;
const upkeepIntervalMs = 60 * 60 * 1000;

export interface PostgresEngineOptions {
  /** As libpq's; several hosts are tried in order until one takes writes (postgres-connect.ts). Not through a pooler that shares sessions. */
  readonly url: string;
  /** `standby`: a commit counts when a synchronous standby has it. Default `local`: when the server has it. */
  readonly durability?: Durability;
  /** With `standby`: go on writing while none is attached. */
  readonly allowAlone?: boolean;
  readonly readConnectionsMax?: number;
  readonly snapshotsMax?: number;
  readonly snapshotAgeMsMax?: number;
  readonly awayLimitMs?: number;
  readonly commitLimitMs?: number;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random?: Random;
}

/** Rejects with Fault when no server takes writes, or the store is from a newer Rookery. */
export async function openPostgresEngine(options: PostgresEngineOptions): Promise<Engine> {
  const engine = new PostgresEngine(options);
  try {
    await engine.open();
    return engine;
  } catch (cause) {
    await engine.close();
    if (cause instanceof Fault || cause instanceof MailError) throw cause;
    throw new Fault('cannot open the store in PostgreSQL', { temporary: true, cause });
  }
}

class PostgresEngine implements Engine {
  readonly name = 'postgres';
  readonly #options: PostgresEngineOptions;
  readonly #identity: WriterIdentity;
  readonly #tag: string;
  readonly #connections: PostgresConnections;
  readonly #topics: Topics;
  readonly #commits: GroupCommit;
  readonly #writer: PostgresWriter;
  /** Opened when it is needed first. */
  #apart: Promise<PostgresWriter> | undefined;
  readonly #readers: PostgresReaders;
  readonly #snapshots: PostgresSnapshots;
  readonly #signals: PostgresSignals;
  readonly #whenReverted = new Set<(mayLackMail: boolean) => void>();
  #upkeep: Timer | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  /** How often another server took over. */
  #moves = 0;
  #batchCount = 0;
  #bytesWritten = 0;
  #bytesOnDisk = 0;

  constructor(options: PostgresEngineOptions) {
    const { clock, log } = options;
    const awayLimitMs = options.awayLimitMs ?? awayLimitMsDefault;
    const id = newWriterId(options);
    const tag = id.toString('hex').slice(0, 12);
    this.#options = options;
    const { url, commitLimitMs, snapshotAgeMsMax = snapshotAgeMsDefault } = options;
    this.#tag = tag;
    this.#connections = new PostgresConnections({ url, tag, commitLimitMs, snapshotAgeMsMax, clock, log });
    this.#identity = { id, applicationName: `rookery commit ${tag}` };
    this.#topics = new Topics(log);
    const connect = async (purpose: Purpose): Promise<PostgresSession> => {
      const moves = this.#moves;
      const session = await this.#connections.open(purpose);
      if (moves === this.#moves) return session;
      session.destroy('another server takes the writes now');
      throw new Fault('another server took over meanwhile', { temporary: true });
    };
    this.#writer = this.#newWriter('commit', this.#identity);
    this.#commits = new GroupCommit({
      nextTurn: () => clock.nextTurn(),
      write: (group) => this.#writer.write(group),
    });
    this.#readers = new PostgresReaders({
      connect: () => connect('read'),
      connectionsMax: options.readConnectionsMax ?? readConnectionsDefault,
      awayLimitMs,
      clock,
    });
    this.#snapshots = new PostgresSnapshots({
      connect: () => connect('snapshot'),
      snapshotsMax: options.snapshotsMax ?? snapshotsDefault,
      ageMsMax: snapshotAgeMsMax,
      clock,
      log,
    });
    this.#signals = new PostgresSignals({
      connect: () => connect('signal'),
      sender: tag,
      topics: this.#topics,
      clock,
      log,
    });
  }

  async open(): Promise<void> {
    const session = await this.#connections.open('commit');
    try {
      await prepareSchema(session);
      await this.#stateDurability(session);
      await this.#writer.open(session);
    } catch (error) {
      session.destroy('the store could not be opened');
      throw error;
    }
    await this.#signals.open();
    await checkStoreMarker(this, 'PostgreSQL');
    await this.#keepUp();
  }

  get(key: Bytes): Promise<Bytes | undefined> {
    if (this.#closed) return Promise.reject(closedFault());
    return this.#readers.get(key);
  }

  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    if (this.#closed) throw closedFault();
    return await readMany(this.#readers.run, keys);
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    if (this.#closed) throw closedFault();
    return await readPage(this.#readers.run, range, limits);
  }

  async snapshot(): Promise<Snapshot> {
    return await this.#snapshots.take();
  }

  async commit(batch: Batch): Promise<CommitResult> {
    return await addBatch(this.#commits, batch);
  }

  async commitApart(batch: Batch): Promise<CommitResult> {
    if (this.#closed) throw closedFault();
    this.#apart ??= this.#openApart();
    const writer = await this.#apart;
    return await addBatch({ add: (pending) => void writer.write([pending]) }, batch);
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.#topics.subscribe(topic, listener);
  }

  onReverted(listener: (mayLackMail: boolean) => void): () => void {
    this.#whenReverted.add(listener);
    return () => this.#whenReverted.delete(listener);
  }

  statistics(): EngineStatistics {
    return {
      commits: this.#writer.requests,
      batches: this.#batchCount,
      bytesWritten: this.#bytesWritten,
      bytesOnDisk: this.#bytesOnDisk,
      hungConnections: this.#connections.hung,
      repeatedReads: this.#readers.repeats,
    };
  }

  async health(): Promise<EngineHealth> {
    const { durability, allowAlone } = this.#options;
    const needsStandby = durability === 'standby' && allowAlone !== true;
    return { ...(await readHealth(this.#readers.run)), needsStandby };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    this.#closed = true;
    this.#upkeep?.cancel();
    this.#snapshots.close();
    const apart = this.#apart?.then((writer) => writer.close()).catch(() => {});
    await Promise.all([this.#signals.close(), this.#readers.close(), this.#writer.close(), apart]);
  }

  #newWriter(purpose: 'commit' | 'apart', identity: WriterIdentity): PostgresWriter {
    const { durability = 'local', allowAlone = false, awayLimitMs = awayLimitMsDefault } = this.#options;
    return new PostgresWriter({
      identity,
      connect: () => this.#connections.open(purpose),
      durability,
      allowAlone,
      awayLimitMs,
      committed: (pending) => this.#committed(pending),
      moved: () => this.#leave('another server takes the writes now'),
      reverted: (gone, mayLackMail) => {
        this.#commits.rejectWaiting(gone);
        for (const listener of this.#whenReverted) listener(mayLackMail);
      },
      clock: this.#options.clock,
      log: this.#options.log,
    });
  }

  async #openApart(): Promise<PostgresWriter> {
    const id = newWriterId(this.#options);
    const writer = this.#newWriter('apart', { id, applicationName: `rookery apart ${this.#tag}` });
    let session: PostgresSession | undefined;
    try {
      session = await this.#connections.open('apart');
      await writer.open(session);
      return writer;
    } catch (error) {
      session?.destroy('it could not be begun');
      this.#apart = undefined;
      throw error;
    }
  }

  /** All that does not write: it would read and hear what is old. */
  #leave(why: string): void {
    this.#moves++;
    this.#readers.leave(why);
    this.#snapshots.leave(why);
    this.#signals.leave(why);
  }

  #committed(pending: PendingCommit): void {
    const { signals } = pending.batch;
    this.#batchCount++;
    this.#bytesWritten += pending.bytes;
    pending.resolve({ outcome: 'committed' });
    if (signals === undefined || signals.length === 0) return;
    this.#topics.signal(signals);
    this.#signals.send(signals);
  }

  /** What a commit waits for is the server's to say; that it is less than the disk is not accepted. */
  async #stateDurability(session: PostgresSession): Promise<void> {
    const text = `SELECT current_setting('synchronous_commit'), current_setting('fsync'),
current_setting('synchronous_standby_names'), current_setting('server_version')`;
    const { rows } = await session.run({ name: 'durability', text });
    const [found, fsync, standbyNames, version] = rows[0]!.map((value) => String(value));
    const { log, durability = 'local', allowAlone = false } = this.#options;
    const used = synchronousCommit(found!, durability === 'standby');
    const stated = { server: session.address, version, durability, allowAlone, standbyNames };
    log.info({ ...stated, synchronousCommit: used }, 'the store is in PostgreSQL');
    if (used !== found) log.warn(`synchronous_commit is ${found} on the server; our commits use ${used}`);
    if (fsync !== 'on') log.error('PostgreSQL runs with fsync off: a crash of its machine loses mail');
    if (durability === 'standby') await this.#warnWithoutStandby(session, standbyNames === '');
  }

  async #warnWithoutStandby(session: PostgresSession, isNoneNamed: boolean): Promise<void> {
    const run: RunStatement = async (statement) => (await session.run(statement)).rows;
    const { standbys, maySeeStandbys, role } = await readHealth(run);
    if (standbys.some(({ isSynchronous }) => isSynchronous)) return;
    const { log, allowAlone = false } = this.#options;
    const unseen = maySeeStandbys ? 'none is attached' : `${role} may see none (GRANT pg_monitor TO ${role})`;
    const found = isNoneNamed ? 'the server names none (synchronous_standby_names)' : unseen;
    const follows = allowAlone
      ? 'mail is on one machine only'
      : 'nothing is written until there is one, unless storage.postgres.allow_alone is true';
    log.warn(`durability is standby, and of synchronous standbys ${found}: ${follows}`);
  }

  /** Once an hour: what writers left that are gone, and how large the store is. */
  async #keepUp(): Promise<void> {
    try {
      const session = await this.#connections.open('upkeep', 'once');
      try {
        await pruneWriters(session, this.#identity);
        const text = "SELECT pg_total_relation_size('rookery.kv')";
        const { rows } = await session.run({ name: 'size', text });
        this.#bytesOnDisk = Number(rows[0]![0]!.readBigInt64BE());
      } finally {
        await session.close();
      }
    } catch (error) {
      this.#options.log.warn({ err: error }, 'upkeep of the database failed, it is tried again later');
    }
    if (!this.#closed) {
      this.#upkeep = this.#options.clock.after(upkeepIntervalMs, () => void this.#keepUp());
    }
  }
}

function newWriterId({ random = systemRandom }: PostgresEngineOptions): Buffer {
  return random.bytes(16);
}

function closedFault(): Fault {
  return new Fault('the store is closed', { temporary: true });
}
