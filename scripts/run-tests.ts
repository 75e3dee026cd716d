// Runs test files with Node's own runner and counts the outcome. A test that hangs fails at its time limit, so a run
// always ends.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { projectRoot } from './source-files.ts';

export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const noTests: TestCounts = { passed: 0, failed: 0, skipped: 0 };

export function addCounts(one: TestCounts, other: TestCounts): TestCounts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

export interface TestRunOptions {
  /** Files from the project's root. */
  readonly files: readonly string[];
  /** Each file is a process of its own; this many at once. */
  readonly concurrency?: number;
  readonly testTimeoutMs: number;
  /** For all files together; what has not ended by then is killed and counts as failed. */
  readonly runTimeoutMs: number;
  /** Receives the runner's report as it comes. */
  readonly print: (text: string) => void;
}

/** Resolves when every file has run; a file that cannot be loaded counts as a failed test. */
export async function runTestFiles(options: TestRunOptions): Promise<TestCounts> {
  if (options.files.length === 0) return noTests;
  const events = run({
    files: options.files.map((file) => join(projectRoot, file)),
    concurrency: options.concurrency ?? availableParallelism(),
    // Not --test-force-exit: a file's process would end before its report is out, and tests would go uncounted.
    execArgv: [`--test-timeout=${options.testTimeoutMs}`],
    // A test that never gives up the processor feels no timeout, and a file that forgets a server never ends.
    signal: AbortSignal.timeout(options.runTimeoutMs),
    cwd: projectRoot,
  });
  let counts = noTests;
  events.on('test:summary', (summary) => {
    // One summary a file, and a last one for the whole run.
    if (summary.file !== undefined) return;
    const { tests, passed, skipped, todo } = summary.counts;
    counts = { passed, failed: tests - passed - skipped - todo, skipped: skipped + todo };
  });
  for await (const text of events.compose(new spec())) options.print(String(text));
  return counts;
}
