// Runs many seeds on a few threads. A result depends on its seed alone, so who runs it does not matter.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type SourceMutation, withMutation } from './mutated-source.ts';
import type { SimulationResult } from './simulation.ts';

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  readonly threads: number;
  readonly mutation?: SourceMutation;
  readonly onResult?: (result: SimulationResult) => void;
}

interface Share {
  readonly seeds: readonly number[];
  readonly mutation?: SourceMutation;
  readonly untilViolation?: boolean;
}

/** The short simulation of each seed; resolves with all results, in the order of the seeds. */
export async function runSeeds(options: SeedsOptions): Promise<SimulationResult[]> {
  const { first, count, threads, onResult, mutation } = options;
  const shares = Array.from({ length: Math.min(threads, count) }, (_, share) => ({
    seeds: Array.from({ length: count }, (_, at) => first + at).filter((seed) => seed % threads === share),
    ...(mutation === undefined ? {} : { mutation }),
  }));
  const results = (await Promise.all(shares.map((share) => runShare(share, onResult)))).flat();
  return results.sort((a, b) => a.seed - b.seed);
}

/** The first seed, from `first` on, in which the checks find out that the sources are mutated. */
export async function findViolation(
  mutation: SourceMutation,
  { first, count }: { readonly first: number; readonly count: number },
): Promise<SimulationResult | undefined> {
  const seeds = Array.from({ length: count }, (_, at) => first + at);
  const results = await runShare({ seeds, mutation, untilViolation: true }, undefined);
  return results.find(({ violation }) => violation !== undefined);
}

function runShare(share: Share, onResult: SeedsOptions['onResult']): Promise<SimulationResult[]> {
  return new Promise((resolve, reject) => {
    const results: SimulationResult[] = [];
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    worker.on('message', (result: SimulationResult) => {
      results.push(result);
      onResult?.(result);
    });
    worker.once('error', reject);
    worker.once('exit', () => resolve(results));
  });
}

async function work({ seeds, mutation, untilViolation }: Share): Promise<void> {
  const load = () => import('./simulation.ts');
  const { runSimulation, shortSimulation } = await (mutation === undefined
    ? load()
    : withMutation(mutation, load));
  for (const seed of seeds) {
    const result = runSimulation(shortSimulation(seed));
    parentPort?.postMessage(result);
    if (untilViolation === true && result.violation !== undefined) return;
  }
}

if (!isMainThread) await work(workerData as Share);
