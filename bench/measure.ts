// Runs workloads against one server after the other and tells on stderr what runs and each figure as soon as it is known. A
// server that does not start, or a workload that fails or hangs, costs its own figures: it is told, and the rest goes on.

import { LoadGenerator } from './load-generator.ts';
import type { Measured } from './report.ts';
import { eventLoopDelay, placeOf, runnerWorkloads } from './runner-workloads.ts';
import type { BenchTarget } from './target.ts';
import type { Figure } from './workloads/workload.ts';

export interface MeasuredServer {
  readonly name: string;
  start(): Promise<BenchTarget>;
}

export interface MeasureOptions {
  readonly workloads: readonly string[];
  readonly scale: number;
}

/** Memory is measured on a server that has done nothing else: what other workloads left would hide the growth. */
const needFreshServer = ['imap-idle', 'imap-idle-tls'];
/** A workload that takes so long hangs. */
const workloadLimitMs = 45 * 60_000;
const stillRunningMs = 15_000;
function tell(target: string, text: string): void {
  process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${target.padEnd(24)} ${text}\n`);
}

/** One line that says what happened; a program's complaint may be in the middle of many. */
function summaryOf({ message }: Error): string {
  const lines = message.split('\n');
  return lines.find((line) => line.includes('Error')) ?? lines[0]!;
}

/** Rejects when the work takes longer than any workload does. */
async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not done after ${workloadLimitMs / 60_000} minutes`)),
      workloadLimitMs,
    );
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

async function measureOne(target: BenchTarget, workload: string, scale: number): Promise<readonly Figure[]> {
  const generator = new LoadGenerator();
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  tell(target.name, `${workload} …`);
  const stillRunning = setInterval(() => tell(target.name, `${workload} … ${seconds()}`), stillRunningMs);
  try {
    await eventLoopDelay(target); // reading resets it
    const special = runnerWorkloads[workload];
    const figures = await withinLimit(
      special === undefined
        ? generator.ask({ type: 'run', workload, target: placeOf(target), scale })
        : special({ target, generator, scale }),
    );
    for (const { name, value, unit } of figures)
      tell(target.name, `  ${name.padEnd(60)} ${value.toFixed(1)} ${unit}`);
    tell(target.name, `${workload}: done in ${seconds()}`);
    return figures;
  } finally {
    clearInterval(stillRunning);
    generator.end();
  }
}

export async function measure(
  server: MeasuredServer,
  { workloads, scale }: MeasureOptions,
): Promise<Measured> {
  const figures: Figure[] = [];
  const failures: string[] = [];
  const failed = (what: string, error: Error): void => {
    failures.push(`${server.name}, ${what}: ${summaryOf(error)}`);
    tell(server.name, `FAILED, ${what}: ${error.stack}`);
  };
  const runOn = async (some: readonly string[]): Promise<void> => {
    if (some.length === 0) return;
    tell(server.name, 'starting, with accounts …');
    const target = await server.start();
    try {
      for (const workload of some) {
        try {
          figures.push(...(await measureOne(target, workload, scale)));
        } catch (error) {
          failed(workload, error as Error);
        }
      }
    } finally {
      await target.stop();
    }
  };
  const rounds = [
    workloads.filter((workload) => !needFreshServer.includes(workload)),
    ...needFreshServer.map((workload) => workloads.filter((one) => one === workload)),
  ];
  for (const round of rounds) await runOn(round).catch((error) => failed('starting or stopping', error));
  return { target: server.name, figures, failures };
}
