// How the LMDB file is opened: by the engine and the thread that commits for reading, and by the thread that follows the
// journal for writing; with the same options, because all share one environment of the process.

import { open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import { addressSpace } from './address-space.ts';

export type LmdbDatabase = RootDatabase<Buffer, Buffer>;

export interface LmdbEnvironmentOptions {
  readonly directory: string;
  readonly mapBytes: number;
  /** Room on the file system that commits leave free. */
  readonly reserveBytes: number;
  /** For another process than the one that has the engine. */
  readonly readOnly?: boolean;
}

/** Address space, not disk: the file grows as it is used. Less is taken where the machine does not give that much. */
const mapBytesDefault = 1024 ** 4;
const mapBytesMin = 64 * 1024 * 1024;

/**
 * Readers at one moment: a snapshot takes one each version of the data. LMDB keeps 64 bytes for each in a file that
 * it maps, so the number is generous.
 */
export const readersMax = 2048;

/**
 * lmdb-js hands over its own buffer, which the next read overwrites: what goes out is a copy. Measured 2026-11-22 against
 * getBinary: 0.44 against 0.62 µs for 1 KB, 6.2 against 7.5 µs for 100 KB, but 0.40 against 0.29 µs for 50 bytes.
 */
function copyOut(bytes: Buffer): Buffer {
  const length = bytes.length;
  const copy = Buffer.allocUnsafe(length);
  bytes.copy(copy, 0, 0, length);
  return copy;
}

/**
 * `overlappingSync: false`: a transaction is on disk when it is committed, not later. `noReadAhead`: mail is read at random.
 * `noSubdir: false`: a directory with a dot in its name is a directory all the same.
 */
export function openLmdbEnvironment(options: LmdbEnvironmentOptions): LmdbDatabase {
  const settings: RootDatabaseOptionsWithPath & { readonly noReadAhead: boolean } = {
    path: options.directory,
    noSubdir: false,
    encoder: { encode: (value: Buffer) => value, decode: copyOut },
    keyEncoding: 'binary',
    overlappingSync: false,
    noReadAhead: true,
    mapSize: options.mapBytes,
    maxReaders: readersMax,
    readOnly: options.readOnly === true,
  };
  return open<Buffer, Buffer>(settings);
}

/** Half of what is left, the other half is for everything else. */
export function mapBytesThatFit(): number {
  const { bytesMax, bytesUsed } = addressSpace();
  let mapBytes = mapBytesDefault;
  while (mapBytes > mapBytesMin && mapBytes > (bytesMax - bytesUsed) / 2) mapBytes /= 4;
  return mapBytes;
}
