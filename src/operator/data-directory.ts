// The data directory: made by the first start, with its superiors, for its owner alone.
// Fails with a Fault that says what stands in the way and what to name instead.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { Fault } from '../base/fault.ts';

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'there is a file of that name',
  ENOTDIR: 'a part of the path is a file',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** Does nothing when it is there and can be written to. */
export function makeDataDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const reason = reasons[code] ?? message;
    throw new Fault(`cannot use ${path} as the data directory: ${reason}; name another one with --data`, {
      temporary: false,
      cause,
    });
  }
}
