// A PostgreSQL for tests: Debian's own, as an unprivileged user, its data on disk with fsync on, on a free port of 127.0.0.1.
// Ended by its process id; what it kept is removed with it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './free-port.ts';

const versionsFolder = '/usr/lib/postgresql';
const startLimitMs = 30_000;
const missing =
  'PostgreSQL is not installed: `apt-get install postgresql` (only its programs are used, its own server may be off)';

/** The folder of the newest installed version's programs. */
function programsFolder(): string | undefined {
  if (!existsSync(versionsFolder)) return undefined;
  const folders = readdirSync(versionsFolder)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(versionsFolder, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}

/** For `skip`: false when PostgreSQL is there. */
export function missingPostgres(): string | false {
  return programsFolder() === undefined ? missing : false;
}

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root: then as the user that Debian's package makes, or nobody. */
function serverUser(): User {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number => Number(execFileSync('id', [flag, name], { stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // The next one.
    }
  }
  throw new Error('there is no user to run PostgreSQL as');
}

export interface PostgresServerOptions {
  /** Lines for postgresql.conf: `name = value`. */
  readonly settings?: readonly string[];
  /** In a process group of its own: Ctrl-C in a terminal does not reach it, `stop` alone ends it. */
  readonly ownGroup?: boolean;
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #user: User;
  readonly #settings: readonly string[];
  readonly #ownGroup: boolean;
  #process: ChildProcess | undefined;
  #output = '';
  #databases = 0;

  private constructor(port: number, folder: string, user: User, options: PostgresServerOptions) {
    this.port = port;
    this.#folder = folder;
    this.#user = user;
    this.#settings = options.settings ?? [];
    this.#ownGroup = options.ownGroup === true;
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const { folder, user } = makeFolder();
    const server = new PostgresServer(await freePort(), folder, user, options);
    const data = join(folder, 'data');
    server.#program('initdb', [
      '-D',
      data,
      '-U',
      'rookery',
      '--auth=trust',
      '--no-sync',
      '--encoding=UTF8',
      '--locale=C',
    ]);
    await server.restart();
    return server;
  }

  /** A standby that follows this server under `name`. */
  async startStandby(name: string): Promise<PostgresServer> {
    const { folder, user } = makeFolder();
    const standby = new PostgresServer(await freePort(), folder, user, { settings: this.#settings });
    const source = `host=127.0.0.1 port=${this.port} user=rookery application_name=${name}`;
    standby.#program('pg_basebackup', [
      '-D',
      join(folder, 'data'),
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '-d',
      source,
    ]);
    await standby.restart();
    return standby;
  }

  /** The processes of the server itself; SIGKILL is a crash, SIGINT a fast end. */
  async stop(signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Starts it, again if it ran before; resolves when it answers. */
  async restart(): Promise<void> {
    await this.stop();
    const data = join(this.#folder, 'data');
    const settings = [
      `port=${this.port}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${this.#folder}`,
      'fsync=on',
      'max_connections=100',
      'shared_buffers=128MB',
      ...this.#settings,
    ];
    // After a SIGKILL the old processes may need a moment to let go of their shared memory.
    const deadline = performance.now() + startLimitMs;
    while (performance.now() < deadline) {
      const args = ['-D', data, ...settings.flatMap((setting) => ['-c', setting])];
      const child = spawn(join(programsFolder()!, 'postgres'), args, {
        ...this.#user,
        cwd: this.#folder,
        detached: this.#ownGroup,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#process = child;
      // An end at once: what it had is recovered at its next start, if there is one.
      const quit = (): boolean => child.kill('SIGQUIT');
      process.once('exit', quit);
      child.once('exit', () => process.off('exit', quit));
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          this.#output = (this.#output + text).slice(-20_000);
        });
      }
      while (child.exitCode === null && performance.now() < deadline) {
        if (await this.#answers()) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error(`PostgreSQL did not start:\n${this.#output}`);
  }

  async #answers(): Promise<boolean> {
    try {
      await this.query('SELECT 1');
      return true;
    } catch {
      return false;
    }
  }

  /** Its first process, which starts the others. */
  get pid(): number {
    return this.#process!.pid!;
  }

  /** Where its data and its log are. */
  get folder(): string {
    return this.#folder;
  }

  url(database: string): string {
    return `postgres://rookery@127.0.0.1:${this.port}/${database}`;
  }

  /** Makes an empty database, its rows in `folder` if that is given; returns its URL. */
  async makeDatabase(folder?: string): Promise<string> {
    this.#databases++;
    const name = `store${process.pid}_${this.#databases}`;
    if (folder !== undefined) giveTo(this.#user, folder);
    if (folder !== undefined) await this.query(`CREATE TABLESPACE ${name} LOCATION '${folder}'`);
    const place = folder === undefined ? '' : `TABLESPACE ${name}`;
    await this.query(`CREATE DATABASE ${name} TEMPLATE template0 ${place}`);
    return this.url(name);
  }

  async query(text: string, url = this.url('postgres')): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Of a standby: stops the process that receives the changes, which says nothing from then on; returns its id. */
  async stopReceiving(): Promise<number> {
    for (;;) {
      const rows = await this.query('SELECT pid FROM pg_stat_wal_receiver');
      const pid = Number(rows[0]?.pid);
      if (pid > 0) {
        process.kill(pid, 'SIGSTOP');
        return pid;
      }
    }
  }

  /** Writes to a setting that is read while the server runs. */
  async set(name: string, value: string): Promise<void> {
    await this.query(`ALTER SYSTEM SET ${name} = '${value}'`);
    await this.query('SELECT pg_reload_conf()');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #program(name: string, args: readonly string[]): void {
    execFileSync(join(programsFolder()!, name), args, { ...this.#user, cwd: this.#folder, stdio: 'pipe' });
  }
}

function makeFolder(): { folder: string; user: User } {
  if (programsFolder() === undefined) throw new Error(missing);
  const user = serverUser();
  const folder = mkdtempSync(join(tmpdir(), 'rookery-pg-'));
  giveTo(user, folder);
  return { folder, user };
}

function giveTo(user: User, folder: string): void {
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!);
}
