// Which engine and which blob store a configuration means, and their upkeep.
// Fails with Fault when the store cannot be opened, or is the unfinished copy of another one.

import { join } from 'node:path';
import { isContentKey } from './account/records/account-keys.ts';
import { RowShards } from './account/row-shards.ts';
import type { Clock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import type { Logger } from './base/log.ts';
import type { Metrics } from './base/metrics.ts';
import type { Random } from './base/random.ts';
import type { Config } from './config/schema.ts';
import type { BlobStore } from './storage/blobs/blob-store.ts';
import { openEngineBlobStore } from './storage/blobs/engine-blob-store.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from './storage/blobs/filesystem-blob-store.ts';
import { isCopyUnfinished } from './storage/copy/copy-progress.ts';
import type { Engine } from './storage/engine.ts';
import type { EmbeddedEngine } from './storage/lmdb/embedded-engine.ts';
import { FileReads } from './storage/lmdb/file-reads.ts';
import { HeldRows } from './storage/lmdb/held-rows.ts';
import { openLmdbEngine } from './storage/lmdb/lmdb-engine.ts';
import { fileRows, openFile, SettledRows } from './storage/lmdb/settled-rows.ts';
import { openMemoryEngine } from './storage/memory-engine.ts';
import { openPostgresEngine } from './storage/postgres/postgres-engine.ts';
import { roomBytes } from './storage/reserve.ts';
import { openServedEngine } from './storage/served/served-engine.ts';

/** Level 3 is zstd's own default: three times the speed of the levels that save a little more. */
const compressionLevel = 3;
const maintenanceIntervalMs = 3_600_000;
/** Soon after the start, so that a server that is restarted often collects and compresses too, but not during it. */
const firstMaintenanceMs = 60_000;

export interface StorageSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Storage {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  /** Collects and compresses; undefined when the blob store does it by itself. */
  readonly maintain: (() => Promise<void>) | undefined;
}

export async function openEngine(config: Config, surroundings: StorageSurroundings): Promise<Engine> {
  const { storage } = config;
  const { clock, log } = surroundings;
  switch (storage.engine) {
    case 'memory':
      return openMemoryEngine();
    case 'lmdb':
      return openEmbeddedEngine(config, surroundings);
    case 'postgres':
      return openPostgresEngine({
        url: storage.url!,
        durability: storage.postgres.durability,
        allowAlone: storage.postgres.allow_alone,
        readConnectionsMax: storage.postgres.read_connections,
        log,
        clock,
      });
  }
}

/** The one that workers may share. */
export function openEmbeddedEngine(
  config: Config,
  { clock, log }: Pick<StorageSurroundings, 'clock' | 'log'>,
): Promise<EmbeddedEngine> {
  return openLmdbEngine({
    directory: storeDirectory(config),
    reserveBytes: config.storage.reserve,
    log,
    clock,
    // The engine logged why. A node that cannot write ends, so that it is started again and reads what is on disk.
    onWriterFailure: () => process.exit(1),
  });
}

/** What a worker reads from the store's file by itself. */
export interface WorkerRows {
  readonly file: FileReads;
  readonly held: HeldRows;
}

/** A worker's: the supervisor has the engine itself. */
export function openWorkersEngine(
  path: string,
  rows: WorkerRows | undefined,
  { clock, log }: Pick<StorageSurroundings, 'clock' | 'log'>,
): Promise<Engine> {
  // The engine logged why. Started again, the worker reads what is on disk.
  return openServedEngine({ path, file: rows?.file, clock, log, onLost: () => process.exit(1) });
}

/** Undefined: everything is read over the socket. */
export function openWorkerRows(config: Config, log: Logger): WorkerRows | undefined {
  try {
    const database = openFile(storeDirectory(config));
    const settled = new SettledRows(fileRows(database), isContentKey);
    const held = new HeldRows(database, new RowShards());
    return { file: new FileReads(settled, held), held };
  } catch (error) {
    // A limit on address space, for which the supervisor may have found a size that fits.
    log.warn({ err: error }, 'the store’s file cannot be read by workers themselves, which costs time');
    return undefined;
  }
}

const storeDirectory = ({ data }: Config): string => join(data, 'store');

/** Opens both, to be closed by `opened`; the engine by `open`, unless the configuration's own is meant. */
export async function openStorage(
  config: Config,
  surroundings: StorageSurroundings & { readonly open?: (() => Promise<Engine>) | undefined },
  opened: AsyncDisposableStack,
): Promise<Storage> {
  const engine = opened.use(await (surroundings.open?.() ?? openEngine(config, surroundings)));
  if (await isCopyUnfinished(engine)) {
    const message = 'this store is the target of a copy that is not finished: run `rookery store copy` again';
    throw new Fault(message, { temporary: false });
  }
  const { clock, random, log } = surroundings;
  if (keepsBlobsInEngine(config)) {
    const blobs = opened.use(await openEngineBlobStore({ engine, clock, log, random }));
    return { engine, blobs, maintain: undefined };
  }
  const blobs = opened.use(
    await openFilesystemBlobStore({
      directory: config.storage.blob_directory ?? join(config.data, 'blobs'),
      engine,
      clock,
      random,
      log,
      reserveBytes: config.storage.reserve,
      compression: { level: compressionLevel },
      isForgotten: config.storage.engine === 'memory',
    }),
  );
  return { engine, blobs, maintain: () => maintainBlobs(blobs, config) };
}

export function keepsBlobsInEngine({ storage }: Config): boolean {
  return storage.blobs === 'engine' || (storage.blobs === 'auto' && storage.engine === 'postgres');
}

async function maintainBlobs(blobs: FilesystemBlobStore, { storage }: Config): Promise<void> {
  await blobs.collect();
  await blobs.sweep();
  if (storage.compress) await blobs.compressOld({ olderThanMs: storage.compress_after });
}

/** Runs `maintain` now and then, on one node of a cluster. */
export function maintainRegularly(
  maintain: () => Promise<void>,
  { clock, log, isMine }: Pick<StorageSurroundings, 'clock' | 'log'> & { readonly isMine: () => boolean },
): Disposable {
  let timer = clock.after(firstMaintenanceMs, function again() {
    (isMine() ? maintain() : Promise.resolve())
      .catch((error: unknown) =>
        log.error({ err: error }, 'blob maintenance failed; it is tried again in an hour'),
      )
      .finally(() => {
        timer = clock.after(maintenanceIntervalMs, again);
      });
  });
  return { [Symbol.dispose]: () => timer.cancel() };
}

export function observeEngine(metrics: Metrics, engine: Engine): void {
  const observe = observing(metrics);
  const total = (name: string, help: string, read: () => number): void =>
    metrics.observedTotal({ name: `rookery_engine_${name}_total`, help }, read);
  total('commits', 'Flushes to disk', () => engine.statistics().commits);
  total('batches', 'Batches committed; several share a flush', () => engine.statistics().batches);
  total('written_bytes', 'Bytes of keys and values committed', () => engine.statistics().bytesWritten);
  observe('engine_bytes_on_disk', 'Size of the engine on disk', () => engine.statistics().bytesOnDisk);
  if (engine.statistics().hungConnections !== undefined) {
    const hung = (): number => engine.statistics().hungConnections ?? 0;
    total('hung_connections', 'Connections to the database that hung and were left', hung);
    const repeated = (): number => engine.statistics().repeatedReads ?? 0;
    total('repeated_reads', 'Requests to read that were sent again because their connection hung', repeated);
  }
  const help = 'How often the database was found to lack commits that it had acknowledged';
  const reverted = metrics.counter({ name: 'rookery_engine_reverted_total', help }).with({});
  engine.onReverted?.((mayLackMail) => reverted.add(mayLackMail ? 1 : 0));
}

/** Of a store in the data directory. */
export function observeRoom(metrics: Metrics, { data, storage }: Config): void {
  if (storage.engine !== 'lmdb') return;
  const help =
    'Room for mail in the data directory, without storage.reserve: none is taken when there is none';
  metrics.observed({ name: 'rookery_storage_room_bytes', help }, () => roomBytes(data, storage.reserve));
}

export function observeBlobs(metrics: Metrics, blobs: BlobStore): void {
  const observe = observing(metrics);
  observe('blobs', 'Large messages kept as blobs', () => blobs.statistics().blobs);
  observe('blob_bytes', 'Bytes of blobs as they came', () => blobs.statistics().bytes);
  observe('blob_bytes_stored', 'Bytes of blobs on disk', () => blobs.statistics().bytesStored);
  observe('blob_bytes_saved', 'Bytes saved by compression', () => {
    const { bytes, bytesStored } = blobs.statistics();
    return Math.max(0, bytes - bytesStored);
  });
}

const observing =
  (metrics: Metrics) =>
  (name: string, help: string, read: () => number): void =>
    metrics.observed({ name: `rookery_${name}`, help }, read);
