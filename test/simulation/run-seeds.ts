// Runs many seeds on a few threads. A result depends on its seed alone, so who runs it does not matter.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { runSimulation, type SimulationResult, shortSimulation } from './simulation.ts';
import { type Mutations, unmutated } from './world.ts';

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  readonly threads: number;
  readonly onResult?: (result: SimulationResult) => void;
}

interface Share {
  readonly seeds: readonly number[];
}

/** The short simulation of each seed; resolves with all results, in the order of the seeds. */
export async function runSeeds({
  first,
  count,
  threads,
  onResult,
}: SeedsOptions): Promise<SimulationResult[]> {
  const shares = Array.from({ length: Math.min(threads, count) }, (_, share) => ({
    seeds: Array.from({ length: count }, (_, at) => first + at).filter((seed) => seed % threads === share),
  }));
  const results = (await Promise.all(shares.map((share) => runShare(share, onResult)))).flat();
  return results.sort((a, b) => a.seed - b.seed);
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

/** The first seed, from `first` on, in which the checks find out that something is switched off. */
export function findViolation(
  mutation: keyof Mutations,
  { first, count }: { readonly first: number; readonly count: number },
): SimulationResult | undefined {
  const mutations = { ...unmutated, [mutation]: false };
  for (let seed = first; seed < first + count; seed++) {
    const result = runSimulation({ ...shortSimulation(seed), mutations });
    if (result.violation !== undefined) return result;
  }
  return undefined;
}

if (!isMainThread) {
  for (const seed of (workerData as Share).seeds)
    parentPort?.postMessage(runSimulation(shortSimulation(seed)));
}
