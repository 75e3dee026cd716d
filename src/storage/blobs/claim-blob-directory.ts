// Whether a blob directory is that of the store: the engine has a row with what the mark in the directory (directory-mark.ts)
// must say. A node where the shared file system is not mounted would otherwise write mail below the mount point, where no
// other node finds it, and acknowledge it.
//
// A mark has two parts. The row begins with the store's own; who then finds the directory without a mark makes one of it and
// a part of its own, and completes the row with what stands in the directory. So
// - a start that is killed anywhere goes on with the next one: the mark of a row that is not complete is known by its first part;
// - of several first nodes one completes the row, and those who found another mark, or made one elsewhere, are refused;
// - a new store is refused where another store's blobs lie, which it would sweep as files that no row names.
//
// A store that has blobs but no row (of an older Rookery, or restored from a backup of that time) takes the directory, with or
// without a mark, only when the files are there that its rows name: one that is upgraded while the file system is not
// mounted would else declare the mount point to be the directory. More than half of a sample must be: some may be damaged,
// and a node that ran without the mount has left some at the wrong place.
//
// Invariant: a complete row never changes. Nothing is made in a directory that is refused, but for the mark of a first node that
// another one was faster than. Rejects with Fault.

import { mkdir, stat } from 'node:fs/promises';
import { Fault } from '../../base/fault.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Engine, Reader } from '../engine.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../record.ts';
import { encodeTuple } from '../tuple.ts';
import { blobPath } from './blob-directory.ts';
import type { BlobRows } from './blob-rows.ts';
import { hex } from './blob-store.ts';
import { makeMark, notOfThisStore, readMark } from './directory-mark.ts';

/** Stays behind when the store is copied, as the copy has a directory of its own (copied-rows.ts). */
const key = encodeTuple(['store', 'blobDirectory']);
const rowVersion = 1;
const partLength = 16;
const markShape = /^([a-z2-7]{16})-([a-z2-7]{16})$/;
/** Rows that name a file, in the order of their digests, which is by chance. */
const sampleMax = 100;
/** Three lead to the end; one is lost only to another node, which made it. */
const stepsMax = 20;

interface DirectoryRow {
  readonly store: string;
  /** Undefined: not complete. */
  readonly directory?: string;
}

interface FoundRow {
  readonly value: Bytes;
  readonly row: DirectoryRow;
}

export interface BlobDirectoryClaim {
  readonly directory: string;
  readonly engine: Engine;
  readonly rows: BlobRows;
  readonly random: Random;
}

/** Gives what the mark says from now on. Makes the directory, its mark and the row when they are missing and may be made. */
export async function claimBlobDirectory(claim: BlobDirectoryClaim): Promise<string> {
  const { directory, engine, random } = claim;
  for (let step = 0; step < stepsMax; step++) {
    const found = await findRow(engine);
    if (found === undefined) {
      await save(engine, undefined, { store: random.identifier(partLength) });
      continue;
    }
    const mark = await readMark(directory);
    const expected = markOf(found.row);
    if (expected !== undefined) {
      if (mark === expected) return expected;
      throw notOfThisStore(directory, { found: mark, expected, temporary: false });
    }
    await complete(claim, found, mark);
  }
  throw new Fault(`several servers claim the blob directory ${directory} all the time`, { temporary: true });
}

/**
 * Of a directory that is only read. Rejects with Fault when it is another one than the store's; a store that has none yet
 * may have any.
 */
export async function checkBlobDirectory(reader: Reader, directory: string): Promise<void> {
  const found = await findRow(reader);
  const expected = found && markOf(found.row);
  if (expected === undefined) return;
  const mark = await readMark(directory);
  if (mark !== expected) throw notOfThisStore(directory, { found: mark, expected, temporary: false });
}

/** One step: a mark where there is none, or the row of the one that is there. */
async function complete(
  { directory, engine, rows, random }: BlobDirectoryClaim,
  { value, row }: FoundRow,
  mark: string | undefined,
): Promise<void> {
  const [, store, own] = markShape.exec(mark ?? '') ?? [];
  const isMadeForIt = store === row.store;
  const expected = `${row.store}-${random.identifier(partLength)}`;
  if (!isMadeForIt) {
    const { named, present } = await sampleFiles(directory, rows);
    const holdsThem = present * 2 > named;
    if (!holdsThem && named > 0) throw holdsOthers(directory, { named, present, expected });
    if (mark !== undefined && (!holdsThem || own === undefined))
      throw notOfThisStore(directory, { found: mark, expected, temporary: false });
  }
  if (store !== undefined && own !== undefined) {
    await save(engine, value, { store, directory: own });
    return;
  }
  await mkdir(directory, { recursive: true });
  await makeMark(directory, expected);
}

/** Of the files that the store's rows name, how many are there. */
async function sampleFiles(
  directory: string,
  rows: BlobRows,
): Promise<{ readonly named: number; readonly present: number }> {
  let named = 0;
  let present = 0;
  for await (const { digest, row } of rows.all()) {
    if (row.form === 'chunked') continue;
    named++;
    const path = blobPath(directory, hex(digest), row.generation);
    // Whatever cannot be looked at is not there.
    if (await stat(path).then(Boolean, () => false)) present++;
    if (named === sampleMax) break;
  }
  return { named, present };
}

function holdsOthers(
  directory: string,
  { named, present, expected }: { named: number; present: number; expected: string },
): Fault {
  const what = `of ${named} large messages of this store that were looked for, ${present} are there`;
  const message = `the blob directory ${directory} is not this store's: ${what}`;
  return new Fault(
    `${message}. Is its file system mounted? (If it is the right one and has lost them, its mark is "${expected}": see "A directory for blobs" in docs/cluster.md)`,
    { temporary: false },
  );
}

function markOf({ store, directory }: DirectoryRow): string | undefined {
  return directory === undefined ? undefined : `${store}-${directory}`;
}

async function findRow(reader: Reader): Promise<FoundRow | undefined> {
  const value = await reader.get(key);
  if (value === undefined) return undefined;
  return { value, row: decodeJsonRecord<DirectoryRow>('blobDirectory', rowVersion, value) };
}

/** Does nothing when somebody else has changed the row: it is read again. */
async function save(engine: Engine, found: Bytes | undefined, row: DirectoryRow): Promise<void> {
  await engine.commit({
    conditions: [{ key, expected: found }],
    puts: [{ key, value: encodeJsonRecord('blobDirectory', rowVersion, row) }],
    // A server whose disk is full must start, so that its users can make room.
    fromReserve: true,
  });
}
