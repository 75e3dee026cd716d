// Where a message's bytes are better off, in the engine or in a file, and what zstd costs and saves: figures behind
// `inlineBytesMax` and the level of zstd. Ways take turns, medians. `node bench/blobs.ts [--directory DIR]`

import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { readOptions } from '../scripts/read-options.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { seededRandom } from '../src/base/random.ts';
import { compressBlob, decompressBlob } from '../src/storage/blobs/blob-compression.ts';
import { openFilesystemBlobStore } from '../src/storage/blobs/filesystem-blob-store.ts';
import { openLmdbEngine } from '../src/storage/lmdb/lmdb-engine.ts';
import { encodeTuple } from '../src/storage/tuple.ts';
import { messages } from './message-mix.ts';
import { median, timeOf } from './statistics.ts';

const { directory: parent } = readOptions<{ directory: string }>(
  new Command('node bench/blobs.ts')
    .description('Measures puts and reads of large rows against blobs in files, and zstd at several levels.')
    .option('--directory <dir>', 'where the store is made', tmpdir()),
);
const sizes = [4, 16, 64, 128, 256, 1024];
const rounds = 5;
const bytesPerRound = 24 * 1024 * 1024;
const putsMax = 1500;
const levels = [1, 3, 9];

const directory = mkdtempSync(join(parent, 'rookery-blobs.'));
const shared = { clock: systemClock, log: silentLog };
const engine = await openLmdbEngine({ ...shared, directory: join(directory, 'engine') });
const blobs = await openFilesystemBlobStore({
  ...shared,
  engine,
  directory: join(directory, 'blobs'),
  compression: { level: 1 },
});
const random = seededRandom(1);
let number = 0;

interface Way {
  /** Durable when it resolves; gives what `read` takes. */
  put(bytes: Buffer): Promise<Uint8Array>;
  read(key: Uint8Array, length: number): Promise<Uint8Array | undefined>;
}

const inEngine: Way = {
  async put(bytes) {
    const key = encodeTuple(['bench', number++]);
    await engine.commit({ puts: [{ key, value: bytes }] });
    return key;
  },
  read: (key) => engine.get(key),
};

const inFile: Way = {
  async put(bytes) {
    const digest = hash('sha256', bytes, 'buffer');
    await blobs.put(digest, bytes);
    await engine.commit(await blobs.link(digest, `bench/${number++}`));
    return digest;
  },
  read: (digest, length) => blobs.read(digest, 0, length),
};

/** Puts a second, and megabytes a second read, warm. */
async function measure(way: Way, bytes: number, writers: number): Promise<readonly [number, number]> {
  const count = Math.min(putsMax, Math.max(20, Math.floor(bytesPerRound / bytes / (writers === 1 ? 4 : 1))));
  const contents = Array.from({ length: count }, () => random.bytes(bytes));
  const keys: Uint8Array[] = [];
  let next = 0;
  const putMs = await timeOf(() =>
    Promise.all(
      Array.from({ length: writers }, async () => {
        while (next < count) keys.push(await way.put(contents[next++]!));
      }),
    ),
  );
  const readMs = await timeOf(async () => {
    for (const key of keys) await way.read(key, bytes);
  });
  return [(count * 1000) / putMs, (count * bytes) / readMs / 1000];
}

const row = (cells: readonly (string | number)[]): void =>
  void process.stdout.write(
    `| ${cells.map((cell) => (typeof cell === 'number' ? Math.round(cell) : cell)).join(' | ')} |\n`,
  );

async function compareWays(): Promise<void> {
  row(['KiB', 'writers', 'put/s engine', 'put/s file', 'read MB/s engine', 'read MB/s file']);
  row(['---', '---', '---', '---', '---', '---']);
  for (const size of sizes) {
    for (const writers of [1, 10]) {
      const found: (readonly [number, number])[][] = [[], []];
      for (let round = 0; round < rounds; round++)
        for (const [index, way] of [inEngine, inFile].entries())
          found[index]!.push(await measure(way, size * 1024, writers));
      const medians = [0, 1].flatMap((figure) =>
        found.map((each) => median(each.map((one) => one[figure]!))),
      );
      row([size, writers, ...medians]);
    }
  }
}

/** Of the mix's large messages: text, and attachments in base64. */
async function compareLevels(): Promise<void> {
  const large = messages('mix', 400).filter(({ length }) => length > 128 * 1024);
  const bytes = large.reduce((sum, { length }) => sum + length, 0);
  row(['zstd level', 'MB/s in', 'MB/s out', 'saved %']);
  row(['---', '---', '---', '---']);
  for (const level of levels) {
    const ins: number[] = [];
    const outs: number[] = [];
    let stored = 0;
    for (let round = 0; round < rounds; round++) {
      const files: Buffer[] = [];
      ins.push(
        await timeOf(async () => {
          for (const message of large) files.push(Buffer.concat(await compressBlob(message, level)));
        }),
      );
      outs.push(
        await timeOf(async () => {
          for (const file of files) await decompressBlob(file);
        }),
      );
      stored = files.reduce((sum, { length }) => sum + length, 0);
    }
    row([level, bytes / median(ins) / 1000, bytes / median(outs) / 1000, 100 - (100 * stored) / bytes]);
  }
}

try {
  await compareWays();
  process.stdout.write('\n');
  await compareLevels();
} finally {
  await blobs.close();
  await engine.close();
  rmSync(directory, { recursive: true });
}
