// One server for one data directory. The lock is a POSIX record lock that SQLite (part of Node) takes on an empty file:
// the kernel drops it when the process ends, however it ends, so no stale lock is ever left, and it holds between
// containers that share a disk, where process numbers mean nothing. A note beside it says who has it.

import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../base/fault.ts';

export interface DirectoryLock {
  /** Twice is fine. */
  release(): void;
}

function ownerOf(noteFile: string): string {
  try {
    return readFileSync(noteFile, 'utf8').trim();
  } catch {
    // The other one holds the lock and has not written its note yet, or may not be read by us.
    return 'another process';
  }
}

/** Takes the lock of an existing directory or throws a Fault that names the owner. */
export function lockDirectory(directory: string): DirectoryLock {
  const noteFile = join(directory, 'owner');
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(directory, 'lock'));
    lock.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    writeFileSync(noteFile, `process ${process.pid} on ${hostname()}\n`);
  } catch (cause) {
    lock?.close();
    const busy = cause instanceof Error && 'errcode' in cause && cause.errcode === 5; // SQLITE_BUSY
    const message = busy
      ? `${directory} is in use by ${ownerOf(noteFile)}: stop it or choose another data directory`
      : `cannot lock ${directory}`;
    throw new Fault(message, { temporary: false, cause });
  }
  let held: DatabaseSync | undefined = lock;
  return {
    release() {
      held?.close();
      held = undefined;
    },
  };
}
