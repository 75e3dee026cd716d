// The file in a blob directory that says which store it belongs to: one line, which the store's row repeats
// (claim-blob-directory.ts). A file system that is not mounted leaves a directory without it, or another store's.
//
// Invariant: the file is there whole or not at all, is made once and never changed. Reading it changes nothing.
// Rejects with Fault, naming the file; what a directory lacks or holds instead is told with what is expected.

import { link, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { isMissing, isThereAlready, isUnlinkable } from './file-errors.ts';

/** In the directory's root, where blobs never are. */
const markName = 'rookery-store';
/** What is read of it: more is no mark. */
const markBytesMax = 100;

/** Also what a killed start left of its own: it may stay. */
export function isMark(name: string): boolean {
  return name === markName || name.startsWith(`${markName}.`);
}

/** What stands in the file; undefined when there is none. Rejects with Fault when it cannot be read. */
export async function readMark(directory: string): Promise<string | undefined> {
  const path = join(directory, markName);
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(markBytesMax), 0, markBytesMax, 0);
    return buffer.toString('latin1', 0, bytesRead).trim();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new Fault(`cannot read ${path}: is the file system of the blob directory mounted?`, {
      temporary: true,
      cause,
    });
  }
}

/** Writes it durably, unless somebody else was first: what stands there then is read. Rejects with Fault. */
export async function makeMark(directory: string, mark: string): Promise<void> {
  const path = join(directory, markName);
  // A name of its own: several nodes may be at it.
  const temporary = `${path}.${mark}`;
  try {
    {
      await using file = await open(temporary, 'w', 0o644);
      await file.writeFile(`${mark}\n`);
      await file.datasync();
    }
    await giveName(temporary, path);
    await using root = await open(directory, 'r');
    await root.sync();
  } catch (cause) {
    throw new Fault(`cannot write ${path}`, { temporary: false, cause });
  }
}

/** A link fails where a rename would put one node's mark in the place of another's. */
async function giveName(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if (isUnlinkable(cause)) return await rename(temporary, path);
    if (!isThereAlready(cause)) throw cause;
  }
  await unlink(temporary);
}

/** `found` as `readMark` gave it. */
export function notOfThisStore(
  directory: string,
  { found, expected, temporary }: { found: string | undefined; expected: string; temporary: boolean },
): Fault {
  const what = found === undefined ? 'is missing' : `says ${JSON.stringify(found)}`;
  const message = `the blob directory ${directory} is not this store's: its file ${markName} ${what}, expected "${expected}"`;
  return new Fault(
    `${message}. Is its file system mounted? All nodes need the same directory (see "A directory for blobs" in docs/cluster.md)`,
    { temporary },
  );
}

/** Rejects with Fault (temporary: it may be mounted again) when the directory is not, or is no longer, what was claimed. */
export async function checkMark(directory: string, expected: string): Promise<void> {
  const found = await readMark(directory);
  if (found !== expected) throw notOfThisStore(directory, { found, expected, temporary: true });
}

/** For a store that is forgotten: rejects with Fault where a lasting one has its blobs, which it would remove as nobody's. */
export async function refuseMark(directory: string): Promise<void> {
  if ((await readMark(directory)) === undefined) return;
  const message = `the blob directory ${directory} is that of a store on disk: choose another one for this trial`;
  throw new Fault(message, { temporary: false });
}
