// What tests of the filesystem blob store start with: a store on each engine, and what its callers do.

import { hash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { CommitResult, Engine } from '../engine.ts';
import { openLmdbEngine } from '../lmdb/lmdb-engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import type { BlobDigest, BlobLink } from './blob-store.ts';
import { isMark } from './directory-mark.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from './filesystem-blob-store.ts';

export interface Fixture {
  readonly directory: string;
  readonly engine: Engine;
  readonly store: FilesystemBlobStore;
}

export const digestOf = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');

export async function openStore(directory: string, engine: Engine): Promise<FilesystemBlobStore> {
  const options = { directory, engine, clock: systemClock, log: silentLog, compression: { level: 3 } };
  return await openFilesystemBlobStore(options);
}

/** Without the directory's mark. */
export function filesIn(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !isMark(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

export const commitLink = (engine: Engine, { puts, conditions }: BlobLink): Promise<CommitResult> =>
  engine.commit({ puts, conditions });

/** Runs `before` ahead of each read or commit that is made through it, with the number of it. */
export function watched(engine: Engine, before: (operation: number) => Promise<void>): Engine {
  let operation = 0;
  const step = async (): Promise<void> => before(operation++);
  return {
    name: engine.name,
    get: (key) => step().then(() => engine.get(key)),
    getMany: (keys) => step().then(() => engine.getMany(keys)),
    page: (range, limits) => step().then(() => engine.page(range, limits)),
    commit: (batch) => step().then(() => engine.commit(batch)),
    snapshot: () => engine.snapshot(),
    subscribe: (topic, listener) => engine.subscribe(topic, listener),
    statistics: () => engine.statistics(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What a caller does: put, link, and again when the blob was being collected. */
export async function putLinked(
  { store, engine }: Fixture,
  bytes: Uint8Array,
  holder: string,
): Promise<BlobDigest> {
  const digest = digestOf(bytes);
  for (;;) {
    await store.put(digest, bytes);
    if ((await commitLink(engine, await store.link(digest, holder))).outcome === 'committed') return digest;
  }
}

const engines: Record<string, (directory: string) => Promise<Engine>> = {
  memory: async () => openMemoryEngine(),
  lmdb: (directory) => openLmdbEngine({ directory, log: silentLog, clock: systemClock }),
};

export type WithStore = (title: string, run: (fixture: Fixture) => Promise<void>) => void;

/** The same tests on every engine. */
export function onEngines(what: string, ...parts: readonly ((withStore: WithStore) => void)[]): void {
  for (const [name, openEngine] of Object.entries(engines))
    testsOn(`${what} on the ${name} engine`, openEngine, parts);
}

function testsOn(
  title: string,
  openEngine: (directory: string) => Promise<Engine>,
  parts: readonly ((withStore: WithStore) => void)[],
): void {
  const withStore = (title: string, run: (fixture: Fixture) => Promise<void>): void => {
    it(title, async () => {
      const root = mkdtempSync(join(tmpdir(), 'rookery-blobs.'));
      const directory = join(root, 'blobs');
      const engine = await openEngine(join(root, 'engine'));
      const store = await openStore(directory, engine);
      try {
        await run({ directory, engine, store });
      } finally {
        await store.close();
        await engine.close();
        rmSync(root, { recursive: true });
      }
    });
  };
  describe(title, () => {
    for (const part of parts) part(withStore);
  });
}
