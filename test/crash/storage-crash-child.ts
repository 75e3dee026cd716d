// The process that the storage crash test kills: writes without end and says on standard output, after each batch was
// acknowledged, which one it was. Arguments: the directory.

import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import {
  type FilesystemBlobStore,
  openFilesystemBlobStore,
} from '../../src/storage/blobs/filesystem-blob-store.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { sayLine } from './say-line.ts';
import { counterKey, decodeCounter, runStep, writers } from './storage-load.ts';

async function write(engine: Engine, blobs: FilesystemBlobStore, writer: number): Promise<never> {
  for (let number = decodeCounter(await engine.get(counterKey(writer))); ; number++) {
    await runStep(engine, blobs, { writer, number });
    sayLine(`${writer} ${number}`);
  }
}

async function maintainForEver(blobs: FilesystemBlobStore): Promise<never> {
  for (;;) {
    await blobs.collect();
    await blobs.compressOld({ olderThanMs: -1 });
    await systemClock.sleep(3);
  }
}

const directory = process.argv[2]!;
const shared = { clock: systemClock, log: silentLog };
// Every other process writes LMDB's file often, so that kills meet that too.
const often = process.pid % 2 === 0 ? { groupsPerTransaction: 3 } : {};
const engine = await openLmdbEngine({ ...shared, ...often, directory: join(directory, 'engine') });
const blobs = await openFilesystemBlobStore({
  ...shared,
  engine,
  directory: join(directory, 'blobs'),
  compression: { level: 1 },
});
await Promise.all([
  ...Array.from({ length: writers }, (_, writer) => write(engine, blobs, writer)),
  maintainForEver(blobs),
]);
