// Starting servers for a benchmark and knowing their processes. Only processes started here are ended, by pid.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { LineClient } from '../line-client.ts';

const startLimitMs = 30_000;
const retryMs = 100;

/** Resolves when somebody answers on the port. */
export async function portAnswers(port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + startLimitMs;
  for (;;) {
    if (child.exitCode !== null && child.exitCode !== 0)
      throw new Error(`the server ended with ${child.exitCode}`);
    try {
      const client = await LineClient.open(port);
      client.end();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}

/** Resolves when nobody answers on the port: processes that a server left behind may go on for a moment with its sockets. */
export async function portCloses(port: number): Promise<void> {
  const until = performance.now() + startLimitMs;
  while (performance.now() < until) {
    try {
      const client = await LineClient.open(port);
      client.end();
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
  throw new Error(`somebody still answers on port ${port}`);
}

/** `pid` and everything below it. */
export function processTree(pid: number): number[] {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [pid];
  for (let at = 0; at < found.length; at++)
    for (const [child, parent] of pairs) if (parent === found[at]) found.push(child);
  return found;
}

/** Proportional set size of processes in bytes: what they share is counted once. */
export function residentBytes(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    try {
      kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // the process ended between the listing and the reading
    }
  }
  return kilobytes * 1024;
}

export async function endProcess(child: ChildProcess, limitMs = 20_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  await ended;
  clearTimeout(timer);
}

export function start(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  return spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
}
