// Programs that tests run to their end: real mail clients, and Rookery's own command line. A program that hangs is killed at
// its time limit and told with what it said so far. Only children started here are ended, by their process id.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to this process's environment; undefined takes a variable away. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: a minute, far above what any of them needs, on a loaded machine too. */
  readonly limitMs?: number;
  /** Ctrl-C, once it resolves. */
  readonly interrupted?: Promise<unknown>;
}

const defaultLimitMs = 60_000;

/** What is not in place of a system test, for `skip`: false when every program is there. */
export function missingPrograms(...programs: readonly string[]): string | false {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const missing = programs.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;
}

/** Ended by itself, or killed at the limit: then it rejects. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const env = { ...process.env, ...options.env };
  const child = spawn(command, args, { stdio: 'pipe', env, cwd: options.cwd });
  child.stdin.on('error', () => {}); // it may end without reading all of its input
  child.stdin.end(options.input ?? '');
  void options.interrupted?.then(() => child.kill('SIGINT'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const limitMs = options.limitMs ?? defaultLimitMs;
  const isInTime = await closesWithin(child, limitMs);
  const told = `${command} ${args.join(' ')}\nstdout: ${stdout}\nstderr: ${stderr}`;
  assert.ok(isInTime, `not done after ${limitMs} ms: ${told}`);
  return { code: child.exitCode, stdout, stderr };
}

/** As runProgram, for a program that is to end with 0. */
export async function runWell(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const ended = await runProgram(command, args, options);
  const told = `${command} ${args.join(' ')}\nstdout: ${ended.stdout}\nstderr: ${ended.stderr}`;
  assert.equal(ended.code, 0, told);
  return ended;
}

/** False: it had to be killed. */
function closesWithin(child: ChildProcess, limitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let isInTime = true;
    const timer = setTimeout(() => {
      isInTime = false;
      child.kill('SIGKILL');
    }, limitMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', () => {
      clearTimeout(timer);
      resolve(isInTime);
    });
  });
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
  /** A place inside it. */
  at(...names: readonly string[]): string;
  remove(): Promise<void>;
}

/** Short, because a Unix socket's path has at most 107 bytes. */
export async function makeTemporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'rookery-'));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  return { path, at: (...names) => join(path, ...names), remove, [Symbol.asyncDispose]: remove };
}
