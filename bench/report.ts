// The table of a benchmark run: a row a figure, a column a target, and the ratio of each layout of
// Rookery to the better peer (above 1: Rookery is better).

import type { Figure } from './workloads/workload.ts';

export interface Measured {
  readonly target: string;
  readonly figures: readonly Figure[];
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function ratioOf(ours: Figure, peers: readonly Figure[]): string {
  if (peers.length === 0) return '';
  const values = peers.map((peer) => peer.value);
  const best = ours.better === 'higher' ? Math.max(...values) : Math.min(...values);
  return (ours.better === 'higher' ? ours.value / best : best / ours.value).toFixed(2);
}

const isOurs = ({ target }: Measured): boolean => target.startsWith('rookery');

export function formatReport(measured: readonly Measured[]): string {
  const own = measured.filter(isOurs);
  const peers = measured.filter((one) => !isOurs(one));
  const targets = [...own, ...peers];
  // A ratio for each layout of ours.
  const ratios = peers.length > 0 ? own : [];
  const ratioNames =
    ratios.length > 1 ? ratios.map(({ target }) => `ratio of ${target}`) : ratios.map(() => 'ratio');
  const header = ['figure', ...targets.map((one) => one.target), ...ratioNames];
  const rows = (own[0]?.figures ?? []).map(({ name }) => {
    const named = (one: Measured): Figure | undefined => one.figures.find((figure) => figure.name === name);
    const cells = targets.map((one) => {
      const figure = named(one);
      return figure === undefined ? '-' : `${rounded(figure.value)} ${figure.unit}`;
    });
    const found = peers.map(named).filter((figure) => figure !== undefined);
    return [name, ...cells, ...ratios.map((one) => ratioOf(named(one)!, found))];
  });
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
