// Starting servers for a benchmark and knowing their processes. Only processes started here are ended, by pid.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineClient } from '../line-client.ts';

const startLimitMs = 30_000;
/** From SIGTERM, or from the end of its parent, to SIGKILL. */
const endLimitMs = 20_000;
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
      await sleep(retryMs);
    }
  }
}

/** What `begin` gives. When it fails, what it began is stopped before that is told. */
export async function orStopped<Result>(
  begin: () => Promise<Result>,
  stop: () => Promise<void>,
): Promise<Result> {
  try {
    return await begin();
  } catch (error) {
    await stop();
    throw error;
  }
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

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

export async function endProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), endLimitMs);
  await ended;
  clearTimeout(timer);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // there is no such process
  }
}

/** Also what it leaves behind: Dovecot's processes go on without their master while they have a client, and write to its files. */
export async function endProcessTree(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return; // its number, and those below it, may be somebody else's by now
  const pids = processTree(child.pid!);
  await endProcess(child);
  const until = performance.now() + endLimitMs;
  for (let left = pids.filter(isAlive); left.length > 0; left = left.filter(isAlive)) {
    if (performance.now() > until) for (const pid of left.filter(isAlive)) process.kill(pid, 'SIGKILL');
    await sleep(retryMs);
  }
}

export function start(
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  return spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment });
}
