// A progress bar on a terminal, nothing elsewhere.

import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  /** `note` stands behind it. */
  update(done: number, total: number, note?: string): void;
  stop(): void;
}

export function openProgress(noun: string, interactive: boolean): Progress {
  if (!interactive) return { update: () => undefined, stop: () => undefined };
  const format = `{bar} {percentage}% | {value}/{total} ${noun} | {duration_formatted}, {eta_formatted} to go {note}`;
  const bar = new SingleBar(
    { format, stream: process.stderr, hideCursor: true, clearOnComplete: false },
    Presets.shades_classic,
  );
  let started = false;
  return {
    update: (done, total, note = '') => {
      if (started) bar.setTotal(total);
      else bar.start(total, 0, { note });
      started = true;
      bar.update(done, { note });
    },
    stop: () => {
      if (started) bar.stop();
    },
  };
}
