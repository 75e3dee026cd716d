// How this process is doing: memory, processor time, and the event loop's delay, which is the fairness promised to
// every client (no request holds the loop for more than 20 ms). Closing it stops the sampling timer.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

/** The timer's own grain: a delay shorter than this is not seen, a finer one costs processor time when idle. */
const resolutionMs = 10;

const nanosecondsPerSecond = 1e9;

/** Adds the process's metrics to `metrics`; dispose of the result to stop. */
export function observeProcess(metrics: Metrics, version: string): Disposable {
  const build = {
    name: 'rookery_build_info',
    help: 'What runs; always 1',
    labels: ['version', 'node'],
  } as const;
  metrics.gauge<'version' | 'node'>(build).with({ version, node: process.version }).set(1);
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  // The histogram holds the time between two ticks of a timer, so the timer's own period is taken off.
  const delaySeconds = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / nanosecondsPerSecond - resolutionMs / 1000) : 0;
  metrics.observed(
    {
      name: 'rookery_event_loop_delay_p50_seconds',
      help: 'Median delay of the event loop since the last scrape',
    },
    () => delaySeconds(delay.percentile(50)),
  );
  metrics.observed(
    {
      name: 'rookery_event_loop_delay_p99_seconds',
      help: '99th percentile of the event loop delay since the last scrape',
    },
    () => delaySeconds(delay.percentile(99)),
  );
  metrics.observed(
    {
      name: 'rookery_event_loop_delay_max_seconds',
      help: 'Longest delay of the event loop since the last scrape',
    },
    () => {
      const longest = delaySeconds(delay.max);
      // The last of the three to be read: families are collected in the order they were added.
      delay.reset();
      return longest;
    },
  );
  metrics.observed({ name: 'process_resident_memory_bytes', help: 'Resident set of the process' }, () =>
    process.memoryUsage.rss(),
  );
  metrics.observed(
    { name: 'rookery_heap_used_bytes', help: 'JavaScript heap in use' },
    () => process.memoryUsage().heapUsed,
  );
  const cpu = { name: 'process_cpu_seconds_total', help: 'Processor time used, user and system' };
  metrics.observedTotal(cpu, () => {
    const usage = process.cpuUsage();
    return (usage.user + usage.system) / 1e6;
  });
  metrics.observed({ name: 'rookery_uptime_seconds', help: 'Time since the process started' }, () =>
    process.uptime(),
  );
  return { [Symbol.dispose]: () => delay.disable() };
}
