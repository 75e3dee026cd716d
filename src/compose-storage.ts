// Which engine and which blob store a configuration means, and their upkeep.
// Fails with Fault when the store cannot be opened, or is the unfinished copy of another one.

import { join } from 'node:path';
import { isContentKey } from './account/account-keys.ts';
import type { Clock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import type { Logger } from './base/log.ts';
import type { Metrics } from './base/metrics.ts';
import type { Random } from './base/random.ts';
import type { Config } from './config/schema.ts';
import type { BlobStore } from './storage/blob-store.ts';
import { isCopyUnfinished } from './storage/copy-progress.ts';
import type { Engine } from './storage/engine.ts';
import { openEngineBlobStore } from './storage/engine-blob-store.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from './storage/filesystem-blob-store.ts';
import { openLmdbEngine } from './storage/lmdb-engine.ts';
import { openMemoryEngine } from './storage/memory-engine.ts';
import { openPostgresEngine } from './storage/postgres-engine.ts';
import { openServedEngine } from './storage/served-engine.ts';
import { openFileRows, SettledRows } from './storage/settled-rows.ts';

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

export async function openEngine(config: Config, { clock, log }: StorageSurroundings): Promise<Engine> {
  const { storage } = config;
  switch (storage.engine) {
    case 'memory':
      return openMemoryEngine();
    case 'lmdb':
      return openLmdbEngine({
        directory: storeDirectory(config),
        reserveBytes: storage.reserve,
        log,
        clock,
        // The engine logged why. A node that cannot write ends, so that it is started again and reads what is on disk.
        onWriterFailure: () => process.exit(1),
      });
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

/** A worker's: the supervisor has the engine itself. */
export function openWorkersEngine(
  path: string,
  config: Config,
  { clock, log }: Pick<StorageSurroundings, 'clock' | 'log'>,
): Promise<Engine> {
  const settled = openSettledRows(config, log);
  // The engine logged why. Started again, the worker reads what is on disk.
  return openServedEngine({ path, settled, clock, log, onLost: () => process.exit(1) });
}

/** Undefined: everything is read over the socket. */
function openSettledRows(config: Config, log: Logger): SettledRows | undefined {
  if (config.storage.engine !== 'lmdb') return undefined;
  try {
    return new SettledRows(openFileRows(storeDirectory(config)), isContentKey);
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
  observe('engine_commits', 'Flushes to disk', () => engine.statistics().commits);
  observe('engine_batches', 'Batches committed; several share a flush', () => engine.statistics().batches);
  observe(
    'engine_bytes_written',
    'Bytes of keys and values committed',
    () => engine.statistics().bytesWritten,
  );
  observe('engine_bytes_on_disk', 'Size of the engine on disk', () => engine.statistics().bytesOnDisk);
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
