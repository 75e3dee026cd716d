// The table of a benchmark run: a row a figure, a column a target, and the ratio to the better peer (above 1: Rookery is better).

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

export function formatReport(measured: readonly Measured[]): string {
  const [own, ...peers] = measured;
  const header = ['figure', ...measured.map((one) => one.target), ...(peers.length > 0 ? ['ratio'] : [])];
  const rows = (own?.figures ?? []).map((figure) => {
    const others = peers.map((peer) => peer.figures.find((one) => one.name === figure.name));
    const cells = [figure, ...others].map((one) =>
      one === undefined ? '-' : `${rounded(one.value)} ${one.unit}`,
    );
    const found = others.filter((one) => one !== undefined);
    return [figure.name, ...cells, ...(peers.length > 0 ? [ratioOf(figure, found)] : [])];
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
