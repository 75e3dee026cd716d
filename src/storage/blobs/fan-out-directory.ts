// One of the directories that blob files are spread over, held open. Names that are made in it become durable by `sync`;
// `isInPlace` tells whether its path still leads to it.
//
// Invariant: once retired nothing becomes durable in it any more, and its descriptor, whose number may then be another
// file's, is not used. Failures are those of the system calls, or Fault when it is retired.

import { closeSync, constants, fstat, fstatSync, fsync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Fault } from '../../base/fault.ts';

const fstatAsync = promisify(fstat);

export class FanOutDirectory {
  readonly path: string;
  readonly #descriptor: number;
  readonly #device: number;
  readonly #inode: number;
  #isRetired = false;
  /** The fsync under way, and the one that starts behind it for names that came too late for it. */
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;

  constructor(path: string) {
    this.path = path;
    this.#descriptor = openSync(path, constants.O_RDONLY);
    const { dev, ino } = fstatSync(this.#descriptor);
    this.#device = dev;
    this.#inode = ino;
  }

  /** Names that are made while an fsync runs share the next one. */
  sync(): Promise<void> {
    if (this.#isRetired) return Promise.reject(replaced(this.path));
    if (this.#running === undefined) {
      this.#running = new Promise<void>((resolve, reject) => {
        fsync(this.#descriptor, (error) => (error === null ? resolve() : reject(error)));
      }).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    const next = (): Promise<void> => {
      this.#waiting = undefined;
      return this.sync();
    };
    this.#waiting ??= this.#running.then(next, next);
    return this.#waiting;
  }

  /** False also when it cannot be told: its file system went away, or was made anew by its server. */
  async isInPlace(): Promise<boolean> {
    try {
      const [{ dev, ino }] = await Promise.all([stat(this.path), fstatAsync(this.#descriptor)]);
      return !this.#isRetired && dev === this.#device && ino === this.#inode;
    } catch {
      return false;
    }
  }

  /** Rejects with Fault when the file, which was made in it, is not found by its path, or the path leads elsewhere now. */
  async checkHolds(file: string): Promise<void> {
    const [{ dev, ino }] = await Promise.all([stat(this.path), stat(file)]);
    if (this.#isRetired || dev !== this.#device || ino !== this.#inode) throw replaced(this.path);
  }

  /** Twice is fine. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    const close = (): void => closeSync(this.#descriptor);
    if (this.#running === undefined) close();
    else this.#running.then(close, close);
  }
}

function replaced(path: string): Fault {
  return new Fault(`${path} was replaced while a blob was written`, { temporary: true });
}
