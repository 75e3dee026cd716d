// `npm run fuzz`: runs the fuzz targets test/fuzz/*.fuzz.ts on changed seeds.
// A throw, an input that takes more than five seconds, and one that kills the thread are findings: minimised, kept in
// test/fuzz/corpus/<target>/ and replayed first by every later run. Exit code 1 when there was any.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { inputBytesMax } from './fuzz-mutate.ts';
import { type FuzzOrder, type FuzzReport, header, headerBytes } from './fuzz-order.ts';
import { positiveNumber, readOptions, wholeNumber } from './read-options.ts';
import type { TestCounts } from './run-tests.ts';
import { listFiles, projectRoot } from './source-files.ts';

/** Far above what any input may take, far below anybody's patience. */
const hangMs = 5_000;
/** For loading the target and its seeds. */
const startMs = 30_000;
const pollMs = 100;
/** For ending a thread, which takes a millisecond unless it is collecting garbage without end. */
const endMs = 3_000;
/** A parser that needs more for 256 KiB of input does not bound its memory. */
const heapMegabytesMax = 1_024;

export interface FuzzOptions {
  readonly seconds: number;
  /** Default: all of them. */
  readonly target?: string;
  /** Default: another one each time. */
  readonly seed?: number;
}

export interface FuzzCounts extends TestCounts {
  readonly stuck: boolean;
}

interface Finding {
  readonly detail: string;
  readonly input: Uint8Array;
}

interface TargetResult {
  readonly name: string;
  readonly findings: ReadonlyMap<string, Finding>;
  readonly runs: number;
  readonly slowestMs: number;
  /** The thread did not end when it was told to: it may be out of memory, and goes on taking more. */
  readonly stuck: boolean;
}

/** One target for a while in a thread of its own. */
class TargetRun {
  readonly #name: string;
  readonly #findings = new Map<string, Finding>();
  readonly #shared = new SharedArrayBuffer(headerBytes + inputBytesMax);
  readonly #head = new Int32Array(this.#shared, 0, headerBytes / 4);
  readonly #order: FuzzOrder;
  #state: 'starting' | 'running' | 'ended' = 'starting';
  #slowestMs = 0;

  constructor(targetPath: string, seed: number) {
    this.#name = nameOf(targetPath);
    const folder = corpusFolder(this.#name);
    const corpus = existsSync(folder) ? listFiles(`test/fuzz/corpus/${this.#name}`, '') : [];
    this.#order = {
      targetPath: join(projectRoot, targetPath),
      corpus: corpus.map((path) => join(projectRoot, path)),
      seed,
      shared: this.#shared,
    };
  }

  async run(seconds: number): Promise<TargetResult> {
    const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url), {
      workerData: this.#order,
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
    });
    worker.on('message', (message: FuzzReport) => this.#hear(message));
    worker.on('error', (error) =>
      this.#endWith(
        'the thread died',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      ),
    );
    worker.on('exit', () => {
      // A promise that never settles leaves the thread with nothing to do, and it ends before its time.
      if (this.#state !== 'ended') this.#endWith('hang', 'a promise that never settles');
    });
    await this.#watch(seconds);
    const killed = worker.terminate().then(() => true);
    const stuck = !(await Promise.race([killed, systemClock.sleep(endMs).then(() => false)]));
    return {
      stuck,
      name: this.#name,
      findings: this.#findings,
      runs: Atomics.load(this.#head, header.sequence),
      slowestMs: this.#slowestMs,
    };
  }

  #hear(message: FuzzReport): void {
    if (message.kind === 'ready') this.#state = 'running';
    else if (message.kind === 'finding') this.#findings.set(message.key, message);
    else {
      this.#slowestMs = message.slowestMs;
      this.#state = 'ended';
    }
  }

  /** Returns when the thread has ended or hangs. */
  async #watch(seconds: number): Promise<void> {
    const startedAt = systemClock.monotonic();
    let sequence = -1;
    let movedAt = startedAt;
    while (this.#state !== 'ended') {
      await systemClock.sleep(pollMs);
      const now = systemClock.monotonic();
      if (now - startedAt >= seconds * 1000) Atomics.store(this.#head, header.stop, 1);
      const current = Atomics.load(this.#head, header.sequence);
      if (current !== sequence) {
        sequence = current;
        movedAt = now;
      }
      const patienceMs = this.#state === 'starting' ? startMs : hangMs;
      if (now - movedAt > patienceMs) {
        this.#endWith('hang', `no return within ${patienceMs} ms`);
      }
    }
  }

  #endWith(key: string, detail: string): void {
    const length = Atomics.load(this.#head, header.length);
    const input = Buffer.from(new Uint8Array(this.#shared, headerBytes, length));
    this.#findings.set(key, { detail: `${key}: ${detail}`, input });
    this.#state = 'ended';
  }
}

const targetPaths = (): string[] => listFiles('test/fuzz', '.fuzz.ts');
const nameOf = (targetPath: string): string => basename(targetPath, '.fuzz.ts');

const corpusFolder = (name: string): string => join(projectRoot, 'test/fuzz/corpus', name);

/** Returns the path from the project's root. */
function keep(name: string, finding: Finding): string {
  const file = createHash('sha256').update(finding.input).digest('hex').slice(0, 16);
  mkdirSync(corpusFolder(name), { recursive: true });
  writeFileSync(join(corpusFolder(name), file), finding.input);
  return `test/fuzz/corpus/${name}/${file}`;
}

function show(result: TargetResult): void {
  const state = result.findings.size === 0 ? 'ok  ' : 'FAIL';
  const runs = `${result.runs} inputs`.padStart(16);
  console.log(`${state} ${result.name.padEnd(24)} ${runs}  slowest ${result.slowestMs.toFixed(1)} ms`);
  for (const finding of result.findings.values()) {
    const path = keep(result.name, finding);
    console.log(`     ${path} (${finding.input.length} bytes)`);
    console.log(finding.detail.replaceAll(/^/gm, '       '));
  }
}

/** Runs the targets, as many at once as there are processors; each counts as one test. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzCounts> {
  const seed = options.seed ?? systemRandom.integer(2 ** 32);
  const paths = targetPaths().filter(
    (path) => options.target === undefined || nameOf(path) === options.target,
  );
  console.log(`${paths.length} targets, ${options.seconds} s each, --seed ${seed}`);
  const waiting = paths.values();
  let [passed, failed] = [0, 0];
  let stuck = false;
  const takeTurns = async (): Promise<void> => {
    for (const path of waiting) {
      if (stuck) return;
      const result = await new TargetRun(path, seed).run(options.seconds);
      show(result);
      if (result.findings.size === 0) passed++;
      else failed++;
      stuck ||= result.stuck;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, takeTurns));
  if (stuck) console.log('a thread could not be ended, so the targets that are left were not run');
  return { passed, failed, skipped: 0, stuck };
}

/** Ends this process, also while a thread in it cannot be ended; what was printed is out by then. */
export function leaveFuzz(counts: FuzzCounts): void {
  if (counts.stuck) process.kill(process.pid, 'SIGKILL');
}

function readFuzzOptions(): FuzzOptions {
  const names = targetPaths().map(nameOf);
  const parseTarget = (text: string): string => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`targets are ${names.join(', ')}`);
  };
  const program = new Command('npm run fuzz --')
    .description(
      'Runs the fuzz targets test/fuzz/*.fuzz.ts on changed seeds. A throw, and an input that takes more than five seconds, are ' +
        'findings: minimised, kept in test/fuzz/corpus and replayed first by every later run. Exit code 1 when there was any.',
    )
    .option('--seconds <n>', 'for each target', positiveNumber, 60)
    .option('--target <name>', 'only this one', parseTarget)
    .option('--seed <n>', 'the same inputs again (default: others each time)', wholeNumber(0))
    .addHelpText('after', `\nTargets: ${names.join(', ')}`)
    .addHelpText('after', '\nExample:\n  npm run fuzz -- --target mime --seconds 600');
  return readOptions<FuzzOptions>(program);
}

if (import.meta.main) {
  const counts = await runFuzz(readFuzzOptions());
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = counts.failed === 0 ? 0 : 1;
  leaveFuzz(counts);
}
