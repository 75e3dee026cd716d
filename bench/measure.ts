// Runs workloads against one server after the other and tells on stderr what runs and each figure as soon as it is known. A
// server that does not start, or a workload that fails or hangs, costs its own figures: it is told, and the rest goes on.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GeneratorAnswer, GeneratorRequest } from './generator.ts';
import { isOurs, type Measured } from './report.ts';
import type { BenchTarget, ServerProcesses, TargetPlace } from './target.ts';
import { residentBytes } from './targets/processes.ts';
import type { RookeryTarget } from './targets/rookery.ts';
import type { TurnsReport } from './turns/turn-monitor.ts';
import { turnsOf, watchTurns } from './turns/watched-turns.ts';
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
/** While deliveries to one of them are timed. */
const notifiedSessions = 1000;
/** Whose memory is measured. Few of a peer's: it has a process for each. */
const idleSessions = { plain: 5000, tls: 2000, ofPeers: 300 };
/** A workload that takes so long hangs. */
const workloadLimitMs = 45 * 60_000;
const stillRunningMs = 15_000;
/** Sessions that are being set up cost more for a moment: the smallest of some readings counts. */
const memoryReadings = 6;
const memoryReadingEveryMs = 500;
const indexLimitMs = 10 * 60_000;

function tell(target: string, text: string): void {
  process.stderr.write(`${new Date().toTimeString().slice(0, 8)} ${target.padEnd(24)} ${text}\n`);
}

/** One line that says what happened; a program's complaint may be in the middle of many. */
function summaryOf({ message }: Error): string {
  const lines = message.split('\n');
  return lines.find((line) => line.includes('Error')) ?? lines[0]!;
}

class Generator {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)));

  ask(request: GeneratorRequest): Promise<readonly Figure[]> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the generator ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (answer: GeneratorAnswer) => {
        this.#child.off('exit', ended);
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.figures);
      });
      this.#child.send(request);
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** What a workload that the runner takes part in works with. */
interface Surroundings {
  readonly target: BenchTarget;
  readonly generator: Generator;
  readonly scale: number;
}

function placeOf({ name, ports, domain, password }: BenchTarget): TargetPlace {
  return { name, ports, domain, password };
}

type Memory = Record<keyof ServerProcesses, number>;

async function memoryOf(target: BenchTarget): Promise<Memory> {
  const smallest = { front: Number.POSITIVE_INFINITY, behind: Number.POSITIVE_INFINITY };
  for (let reading = 0; reading < memoryReadings; reading++) {
    const { front, behind } = target.processes();
    smallest.front = Math.min(smallest.front, residentBytes(front));
    smallest.behind = Math.min(smallest.behind, residentBytes(behind));
    await new Promise((resolve) => setTimeout(resolve, memoryReadingEveryMs));
  }
  return smallest;
}

/** Of so many sessions, when some are open already. Garbage that waits for its collection is not what a session costs, so
 * ours collects it before it is looked at; what a server takes as it stands, garbage included, is a figure of its own. */
async function memoryOfIdleSessions(
  { target, generator, scale }: Surroundings,
  { secure, opened }: { secure: boolean; opened: number },
): Promise<Figure[]> {
  const ofOurs = secure ? idleSessions.tls : idleSessions.plain;
  const count = Math.ceil((isOurs(target.name) ? ofOurs : idleSessions.ofPeers) * scale);
  const collected = async (): Promise<Memory> => {
    if (isOurs(target.name)) await (target as RookeryTarget).collectGarbage();
    return await memoryOf(target);
  };
  const before = await collected();
  await generator.ask({ type: 'openIdle', target: placeOf(target), sessions: { count, secure } });
  const withGarbage = await memoryOf(target);
  const after = await collected();
  const parts =
    target.processes().behind.length === 0
      ? [{ part: 'front', ofWhom: '' } as const]
      : [{ part: 'front', ofWhom: '' } as const, { part: 'behind', ofWhom: ', servers behind' } as const];
  const over = secure ? ' over TLS' : '';
  return [
    ...parts.map(({ part, ofWhom }) => ({
      name: `imap idle session${over}, memory${ofWhom}`,
      value: (after[part] - before[part]) / count / 1024,
      unit: 'KB',
      better: 'lower' as const,
    })),
    ...parts.map(({ part, ofWhom }) => ({
      name: `memory of a server with ${opened + count} idle sessions${over}${ofWhom}`,
      value: withGarbage[part] / 1024 / 1024,
      unit: 'MB',
      better: 'lower' as const,
    })),
  ];
}

async function idle(surroundings: Surroundings): Promise<Figure[]> {
  const { target, generator, scale } = surroundings;
  const place = placeOf(target);
  const notify = (name: string, rounds: number, at?: { user: string; lmtp: number }) =>
    generator.ask({
      type: 'notify',
      target: place,
      notification: { name, user: 'idle0', lmtp: undefined, rounds: Math.ceil(rounds * scale), ...at },
    });
  await notify('to warm up', 100);
  const count = Math.ceil(notifiedSessions * scale);
  await generator.ask({ type: 'openIdle', target: place, sessions: { count, secure: false } });
  const figures = [...(await notify(`imap IDLE among ${count} sessions`, 500))];
  const apart = await target.apart?.();
  if (apart !== undefined) {
    await notify('to warm up', 50, apart);
    figures.push(...(await notify('imap IDLE across nodes', 500, apart)));
  }
  return [...figures, ...(await memoryOfIdleSessions(surroundings, { secure: false, opened: count }))];
}

async function idleOverTls(surroundings: Surroundings): Promise<Figure[]> {
  const { target, generator, scale } = surroundings;
  if (target.ports.imaps === undefined) return [];
  const count = Math.ceil(idleSessions.ofPeers * scale);
  await generator.ask({ type: 'openIdle', target: placeOf(target), sessions: { count, secure: true } });
  return memoryOfIdleSessions(surroundings, { secure: true, opened: count });
}

/** The first SELECT finds a server that has just started. */
async function select({ target, generator, scale }: Surroundings): Promise<readonly Figure[]> {
  const place = placeOf(target);
  await generator.ask({ type: 'fillForSelect', target: place, scale });
  await target.restart();
  return await generator.ask({ type: 'run', workload: 'imap-select', target: place, scale });
}

/** Indexing takes memory of its own, and goes on in the background when there is something to index. */
async function searchIndexSettled(target: BenchTarget): Promise<void> {
  const until = performance.now() + indexLimitMs;
  for (;;) {
    const [, lag] =
      /^rookery_search_index_lag_messages(?:\{.*\})? (\S+)/m.exec(await metricsOf(target)) ?? [];
    if (Number(lag) === 0) return;
    if (performance.now() > until) throw new Error(`${lag} messages are not indexed`);
    await new Promise((resolve) => setTimeout(resolve, memoryReadingEveryMs));
  }
}

/** And what our host's memory grows by when it opens the large mailbox, nothing else having been opened since it started. */
async function large({ target, generator, scale }: Surroundings): Promise<readonly Figure[]> {
  const place = placeOf(target);
  const figures = await generator.ask({ type: 'run', workload: 'imap-large', target: place, scale });
  if (!isOurs(target.name)) return figures;
  await searchIndexSettled(target);
  await target.restart();
  await generator.ask({ type: 'openMailbox', target: place, user: 'user0' });
  const before = await (target as RookeryTarget).collectGarbage();
  const [opened] = await generator.ask({ type: 'openMailbox', target: place, user: 'large' });
  const growth = (await (target as RookeryTarget).collectGarbage()) - before;
  const name = `memory per message of an open mailbox of ${opened!.value}`;
  return [...figures, { name, value: growth / opened!.value, unit: 'bytes', better: 'lower' }];
}

async function metricsOf(target: BenchTarget): Promise<string> {
  return (await fetch(`http://127.0.0.1:${(target as RookeryTarget).adminPort}/metrics`)).text();
}

async function eventLoopDelay(target: BenchTarget): Promise<Figure[]> {
  if (!isOurs(target.name)) return [];
  const text = await metricsOf(target);
  // Of several workers the slowest counts.
  const read = (kind: string): number => {
    const series = new RegExp(`^rookery_event_loop_delay_${kind}_seconds(?:\\{.*\\})? (\\S+)`, 'gm');
    return Math.max(...Array.from(text.matchAll(series), ([, value]) => Number(value)));
  };
  return ['p99', 'max'].map((kind) => ({
    name: `event-loop delay ${kind} since the last workload`,
    value: read(kind) * 1000,
    unit: 'ms',
    better: 'lower' as const,
  }));
}

/** Processor time: unlike the delay by the clock it does not count how long others kept the processor. */
function turnFigures({ turnCpuMs, runCpuMs, collector }: TurnsReport): Figure[] {
  const figures = {
    'event-loop turn, processor time, p99': turnCpuMs.p99,
    'event-loop turn, processor time, longest': turnCpuMs.longest,
    'callback on the event loop, processor time, longest': runCpuMs.longest,
    'garbage collection, longest': collector.longestMs,
  };
  return Object.entries(figures).map(([name, value]) => ({ name, value, unit: 'ms', better: 'lower' }));
}

type RunnerWorkload = (surroundings: Surroundings) => Promise<readonly Figure[]>;

/** Those that need more than the generator. */
const runnerWorkloads: Readonly<Record<string, RunnerWorkload>> = {
  'imap-idle': async (surroundings) => [
    ...(await idle(surroundings)),
    ...(await eventLoopDelay(surroundings.target)),
  ],
  'imap-idle-tls': idleOverTls,
  'imap-select': select,
  'imap-large': large,
  fairness: async ({ target, generator, scale }) => {
    const ours = isOurs(target.name) ? (target as RookeryTarget).servers[0] : undefined;
    if (ours !== undefined) await watchTurns(ours);
    const request = { type: 'run', workload: 'fairness', target: placeOf(target), scale } as const;
    const figures = await generator.ask(request);
    return [
      ...figures,
      ...(await eventLoopDelay(target)),
      ...(ours === undefined ? [] : turnFigures(await turnsOf(ours))),
    ];
  },
};

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
  const generator = new Generator();
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
