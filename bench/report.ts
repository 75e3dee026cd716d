// The table of a benchmark run: a row a figure, a column a target, and the ratio of each layout of
// Rookery to the better peer (above 1: Rookery is better). A figure that a target lacks is a dash.

import { isOurs } from './target.ts';
import type { Figure } from './workloads/workload.ts';

export interface Measured {
  readonly target: string;
  readonly figures: readonly Figure[];
  /** What did not give its figures, and why. */
  readonly failures: readonly string[];
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function ratioOf(ours: Figure | undefined, peers: readonly Figure[]): string {
  if (ours === undefined || peers.length === 0) return '-';
  const values = peers.map((peer) => peer.value);
  const best = ours.better === 'higher' ? Math.max(...values) : Math.min(...values);
  const ratio = ours.better === 'higher' ? ours.value / best : best / ours.value;
  // Nothing to divide by: faster than the clock shows, or memory that shrank.
  return ratio > 0 && Number.isFinite(ratio) ? ratio.toFixed(2) : '-';
}

export function formatReport(measured: readonly Measured[]): string {
  const own = measured.filter(({ target }) => isOurs(target));
  const peers = measured.filter(({ target }) => !isOurs(target));
  const targets = [...own, ...peers];
  // A ratio for each layout of ours.
  const ratios = peers.length > 0 ? own : [];
  const ratioNames =
    ratios.length > 1 ? ratios.map(({ target }) => `ratio of ${target}`) : ratios.map(() => 'ratio');
  const header = ['figure', ...targets.map((one) => one.target), ...ratioNames];
  const names = new Set(targets.flatMap(({ figures }) => figures.map(({ name }) => name)));
  const rows = Array.from(names, (name) => {
    const named = (one: Measured): Figure | undefined => one.figures.find((figure) => figure.name === name);
    const cells = targets.map((one) => {
      const figure = named(one);
      return figure === undefined ? '-' : `${rounded(figure.value)} ${figure.unit}`;
    });
    const found = peers.map(named).filter((figure) => figure !== undefined);
    return [name, ...cells, ...ratios.map((one) => ratioOf(named(one), found))];
  });
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const table = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const failures = measured.flatMap((one) => one.failures.map((failure) => `FAILED: ${failure}`));
  return [...table, ...failures].join('\n');
}
