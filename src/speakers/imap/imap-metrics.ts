// What the IMAP speaker counts: commands by name and outcome, and their time. Counting never fails.

import {
  type CounterSeries,
  durationBucketsSeconds,
  type HistogramSeries,
  type Metrics,
} from '../../base/metrics.ts';

interface CommandSeries {
  /** By outcome. */
  readonly outcomes: Map<string, CounterSeries>;
  readonly time: HistogramSeries | undefined;
}

/** Returns the function the dispatcher calls after each command. */
export function commandObserver(
  metrics: Metrics | undefined,
): (name: string, status: string, durationMs: number) => void {
  if (metrics === undefined) return () => {};
  const total = metrics.counter({
    name: 'rookery_imap_commands_total',
    help: 'IMAP commands by name and outcome.',
    labels: ['command', 'outcome'],
  });
  const seconds = metrics.histogram({
    name: 'rookery_imap_command_seconds',
    help: 'Time from a whole command to its tagged answer.',
    labels: ['command'],
    buckets: durationBucketsSeconds,
  });
  // Found by name, not by labels: that would take as long as to read a short command.
  const known = new Map<string, CommandSeries>();
  return (command, outcome, durationMs) => {
    let series = known.get(command);
    if (series === undefined) {
      // Idling is waiting, not working.
      series = { outcomes: new Map(), time: command === 'IDLE' ? undefined : seconds.with({ command }) };
      known.set(command, series);
    }
    let count = series.outcomes.get(outcome);
    if (count === undefined) {
      count = total.with({ command, outcome });
      series.outcomes.set(outcome, count);
    }
    count.add();
    series.time?.observe(durationMs / 1000);
  };
}
