// What the IMAP speaker counts: commands by name and outcome, and their time. Counting never fails.

import { durationBucketsSeconds, type Metrics } from '../../base/metrics.ts';

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
  return (command, outcome, durationMs) => {
    total.with({ command, outcome }).add();
    // Idling is waiting, not working.
    if (command !== 'IDLE') seconds.with({ command }).observe(durationMs / 1000);
  };
}
