// The room that stores leave free on their file system. It is what deletions live from when the disk is full, and it
// keeps LMDB from ever meeting a full disk in the middle of a write, which it does not survive (lmdb-room.ts).

import { statfsSync } from 'node:fs';

/** The largest group of commits and the tree around it, twice over. */
const reserveBytesMax = 64 * 1024 * 1024;
/** A small file system is not given up to it. */
const reserveShare = 1 / 8;

/** The reserve for a file system of this size, where the operator did not choose one. */
export function reserveFor(directory: string): number {
  const { blocks, bsize } = statfsSync(directory);
  return Math.min(reserveBytesMax, Math.floor(blocks * bsize * reserveShare));
}

/** What is left beyond the reserve; below 0 when the reserve is touched. */
export function roomBytes(directory: string, reserveBytes: number): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize - reserveBytes;
}
