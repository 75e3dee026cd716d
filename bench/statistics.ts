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

/** Rounds of what is measured as messages a second: these machines are noisy. */
export const throughputRounds = 3;
