// Times, and medians and percentiles of samples.

export function percentile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** The median of what `work` gives, done so many times, one after the other. */
export async function medianOf(rounds: number, work: (round: number) => Promise<number>): Promise<number> {
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) samples.push(await work(round));
  return median(samples);
}

/** How many milliseconds it takes. */
export async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Rounds that count: these machines are noisy. */
const throughputRounds = 3;
/**
 * Rounds before them: the first thousands find everything cold, caches, processes to fork and, in what is compiled while it
 * runs, code. V8 goes on compiling for some twenty thousand messages; a server runs for months.
 */
const warmUpRounds = 3;

/** The median of what `run` gives, messages a second say. Every round has its own number: the same messages again would be answers to themselves. */
export async function throughputOf(run: (round: number) => Promise<number>): Promise<number> {
  for (let round = 0; round < warmUpRounds; round++) await run(throughputRounds + round);
  return await medianOf(throughputRounds, run);
}
