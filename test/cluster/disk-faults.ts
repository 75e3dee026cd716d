// Faults of PostgreSQL's disks, for a cluster under test. Slow: its processes may write to their disk a few times a second
// only (a blkio control group, so every fsync of the log waits in the kernel, as on a disk that fails). Full: the rows
// lie on a file system of their own, which has no room for more until it is freed. Both need root; each says why it is
// not there.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PostgresServer } from '../postgres-server.ts';

const controlGroups = '/sys/fs/cgroup/blkio';
const writesFile = 'blkio.throttle.write_iops_device';
/** What is written, or started, meanwhile is tried again with. */
const attemptsMax = 100;

function missingRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'needs root';
}

/** For a reason to print: false when there can be a slow disk. */
export function missingSlowDisk(): string | false {
  if (existsSync(join(controlGroups, writesFile))) return missingRoot();
  return 'the system has no blkio control groups (cgroup v1) that limit writes';
}

/** For a reason to print: false when there can be a full disk. */
export function missingFullDisk(): string | false {
  return missingRoot();
}

/** From now on the server's processes, those to come too, write so many times a second; disposed: as fast as ever. */
export function slowDisk(postgres: PostgresServer, writesPerSecond: number): Disposable {
  const group = join(controlGroups, `rookery-test-${process.pid}`);
  mkdirSync(group);
  const move = (pids: readonly number[], to: string): void => {
    for (const pid of pids) {
      try {
        writeAll(join(to, 'cgroup.procs'), String(pid));
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  const members = (): number[] =>
    readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  const end = (): void => {
    for (let attempt = 1; attempt <= attemptsMax && members().length > 0; attempt++)
      move(members(), controlGroups);
    rmdirSync(group);
  };
  try {
    writeAll(join(group, writesFile), `${deviceOf(postgres.folder)} ${writesPerSecond}`);
    // The first one starts the others: what it starts from now on is in its group.
    move([postgres.pid], group);
    move(childrenOf(postgres.pid), group);
  } catch (error) {
    end();
    throw error;
  }
  return { [Symbol.dispose]: end };
}

/** A file of the kernel: one write. */
function writeAll(path: string, text: string): void {
  execFileSync('sh', ['-c', 'printf %s "$1" > "$2"', 'sh', text, path], { stdio: 'pipe' });
}

/** "major:minor" of the disk below a folder. */
function deviceOf(folder: string): string {
  const { dev } = statSync(folder);
  // As glibc's major() and minor().
  const major = ((dev >> 8) & 0xfff) | ((dev / 2 ** 32) & 0xfffff000);
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  return `${major}:${minor}`;
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // "pid (name) state parent …"; a name may hold anything.
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      return Number(text.slice(text.lastIndexOf(')') + 4).split(' ')[0]) === parent ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** A file system in memory, for a database's rows; it takes no more memory than they do. */
export class SmallDisk implements Disposable {
  readonly folder: string;
  readonly #megabytes: number;

  constructor(megabytes: number) {
    this.#megabytes = megabytes;
    this.folder = mkdtempSync(join(tmpdir(), 'rookery-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'rookery-test', this.folder]);
  }

  /** Nothing more fits: it is as large as what is in it. */
  fill(): void {
    for (let attempt = 1; ; attempt++) {
      const { blocks, bfree, bsize } = statfsSync(this.folder);
      try {
        this.#resize(`${((blocks - bfree) * bsize) / 1024}k`);
        return;
      } catch (error) {
        // More was written meanwhile.
        if (attempt === attemptsMax) throw error;
      }
    }
  }

  free(): void {
    this.#resize(`${this.#megabytes}m`);
  }

  #resize(size: string): void {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.folder], { stdio: 'pipe' });
  }

  [Symbol.dispose](): void {
    // Lazily: a database that was killed may hold it for a moment more.
    execFileSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true });
  }
}
