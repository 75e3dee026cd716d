// `npm run check`: what must hold before a commit. The steps are independent and run side by side; each prints one
// line when it is done, and a failed one all it had to say. Exit code 1 when any failed.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { addCounts, noTests, runTestFiles, type TestCounts } from './run-tests.ts';
import { listFiles, projectRoot } from './source-files.ts';

/** A step that takes longer is stuck: all of them together are to take under two minutes. */
const stepTimeoutMs = 180_000;
/** A unit test needs no more than a part of a second; the limit leaves room for a loaded machine. */
const unitTestTimeoutMs = 60_000;
const outputBytesMax = 16 * 1024 * 1024;

interface StepResult {
  readonly counts: TestCounts;
  /** Shown when the step failed; its warnings are shown always. */
  readonly output: string;
  readonly remark?: string;
}

interface Step {
  readonly name: string;
  run(): Promise<StepResult>;
}

const program = (name: string): string => join(projectRoot, 'node_modules/.bin', name);

/** A program that fails by its exit code: counts as one test. */
function command(name: string, file: string, args: readonly string[]): Step {
  const run = (): Promise<StepResult> =>
    new Promise((resolve) => {
      const options = { cwd: projectRoot, timeout: stepTimeoutMs, maxBuffer: outputBytesMax };
      execFile(file, args, options, (error, stdout, stderr) => {
        const killed = error?.killed === true ? `stopped after ${stepTimeoutMs / 1000} s\n` : '';
        const counts = error === null ? { ...noTests, passed: 1 } : { ...noTests, failed: 1 };
        resolve({ counts, output: `${stdout}${stderr}${killed}` });
      });
    });
  return { name, run };
}

const script = (name: string, path: string): Step => command(name, process.execPath, [path]);

const unitTests: Step = {
  name: 'unit tests',
  async run() {
    const files = [...listFiles('src', '.test.ts'), ...listFiles('scripts', '.test.ts')];
    let output = '';
    const print = (text: string): void => {
      output += text;
    };
    const counts = await runTestFiles({
      files,
      testTimeoutMs: unitTestTimeoutMs,
      runTimeoutMs: stepTimeoutMs,
      print,
    });
    // The report ends with the failed tests in full; what comes before repeats them.
    const failures = output.lastIndexOf('failing tests:');
    const { passed, failed, skipped } = counts;
    return {
      counts,
      output: failures < 0 ? output : output.slice(failures),
      remark: `${passed} passed, ${failed} failed, ${skipped} skipped`,
    };
  },
};

const steps: readonly Step[] = [
  command('format and lint', program('biome'), ['ci', '--error-on-warnings', '--colors=off']),
  command('types', program('tsc'), ['--noEmit', '-p', '.']),
  script('import ranks', 'scripts/check-ranks.ts'),
  script('style', 'scripts/check-style.ts'),
  script('RFC index', 'scripts/check-rfc.ts'),
  command('dead code', process.execPath, [join(projectRoot, 'node_modules/knip/bin/knip.js')]),
  unitTests,
];

async function runStep(step: Step): Promise<TestCounts> {
  const startedAt = systemClock.monotonic();
  const { counts, output, remark } = await step.run();
  const seconds = ((systemClock.monotonic() - startedAt) / 1000).toFixed(1);
  const state = counts.failed === 0 ? 'ok  ' : 'FAIL';
  console.log(
    `${state} ${step.name.padEnd(16)} ${seconds.padStart(6)} s${remark === undefined ? '' : `  ${remark}`}`,
  );
  const shown = counts.failed > 0 ? output : warningsOf(output);
  if (shown !== '') console.log(shown.trimEnd().replaceAll(/^/gm, '     '));
  return counts;
}

function warningsOf(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.startsWith('warning: '))
    .join('\n');
}

/** Runs every step; a step counts as one test, the unit tests each for themselves. */
export async function runChecks(): Promise<TestCounts> {
  const counts = await Promise.all(steps.map(runStep));
  return counts.reduce(addCounts, noTests);
}

if (import.meta.main) {
  const counts = await runChecks();
  process.exitCode = counts.failed === 0 ? 0 : 1;
}
