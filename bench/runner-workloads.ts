// The workloads that need more than the generator: the memory of the server's processes, a restart between two steps, what
// Rookery's own metrics and its event loop say. The generator does the rest of them.

import { setTimeout as sleep } from 'node:timers/promises';
import { accountLimitsDefault } from '../src/account/account-limits.ts';
import type { LoadGenerator } from './load-generator.ts';
import { milliseconds } from './mailbox.ts';
import { type BenchTarget, type ServerProcesses, type TargetPlace, users } from './target.ts';
import { residentBytes } from './targets/processes.ts';
import { asRookery, type RookeryTarget } from './targets/rookery.ts';
import type { TurnsReport } from './turns/turn-monitor.ts';
import { turnsOf, watchTurns } from './turns/watched-turns.ts';
import type { Figure } from './workloads/workload.ts';

/** While deliveries to one of them are timed. */
const notifiedSessions = 1000;
/** Whose memory is measured. Few of a peer's: it has a process for each. */
const idleSessions = { plain: 5000, tls: 2000, ofPeers: 300 };
/** Sessions that are being set up cost more for a moment: the smallest of some readings counts. */
const memoryReadings = 6;
const memoryReadingEveryMs = 500;
const indexLimitMs = 10 * 60_000;
const indexPollMs = 500;
/** Servers index what was delivered in their own time; peers are given as much. */
const settleMs = 40_000;
/** The index of many accounts is done: the last few messages of each wait for others, and no more were indexed for a while. */
const unindexed = { lagMax: (accountLimitsDefault.indexMessagesMin - 1) * users.length, stillMs: 20_000 };

/** What a workload that the runner takes part in works with. */
export interface Surroundings {
  readonly target: BenchTarget;
  readonly generator: LoadGenerator;
  readonly scale: number;
}

/** What the generator is told of it. */
export function placeOf({ name, ports, domain, password }: BenchTarget): TargetPlace {
  return { name, ports, domain, password };
}

type Memory = Record<keyof ServerProcesses, number>;

async function memoryOf(target: BenchTarget): Promise<Memory> {
  const smallest = { front: Number.POSITIVE_INFINITY, behind: Number.POSITIVE_INFINITY };
  for (let reading = 0; reading < memoryReadings; reading++) {
    const { front, behind } = target.processes();
    smallest.front = Math.min(smallest.front, residentBytes(front));
    smallest.behind = Math.min(smallest.behind, residentBytes(behind));
    await sleep(memoryReadingEveryMs);
  }
  return smallest;
}

/** Of so many sessions, when some are open already. Garbage that waits for its collection is not what a session costs, so
 * ours collects it before it is looked at; what a server takes as it stands, garbage included, is a figure of its own. */
async function memoryOfIdleSessions(
  { target, generator, scale }: Surroundings,
  { secure, opened }: { secure: boolean; opened: number },
): Promise<Figure[]> {
  const ours = asRookery(target);
  const ofOurs = secure ? idleSessions.tls : idleSessions.plain;
  const count = Math.ceil((ours === undefined ? idleSessions.ofPeers : ofOurs) * scale);
  const collected = async (): Promise<Memory> => {
    await ours?.collectGarbage();
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

/** The first SELECT finds a server that has just started, and that indexes nothing meanwhile. */
async function select(surroundings: Surroundings): Promise<readonly Figure[]> {
  const { target, generator, scale } = surroundings;
  const place = placeOf(target);
  await generator.ask({ type: 'fillForSelect', target: place, scale });
  await indexed(surroundings);
  await target.restart();
  return await generator.ask({ type: 'run', workload: 'imap-select', target: place, scale });
}

/** The first questions find a server that has just started, with what was delivered before. */
async function search(surroundings: Surroundings): Promise<readonly Figure[]> {
  const { target, generator, scale } = surroundings;
  const place = placeOf(target);
  await generator.ask({ type: 'fillForSearch', target: place, scale });
  await indexed(surroundings);
  await target.restart();
  return await generator.ask({ type: 'run', workload: 'imap-search', target: place, scale });
}

/** What was delivered. */
async function indexed({ target, scale }: Surroundings): Promise<void> {
  const ours = asRookery(target);
  await Promise.all([sleep(settleMs * scale), ours && searchIndexSettled(ours, unindexed)]);
}

/** Of all workers. */
async function indexLag(ours: RookeryTarget): Promise<number> {
  const series = /^rookery_search_index_lag_messages(?:\{.*\})? (\S+)/gm;
  const lags = Array.from((await metricsOf(ours)).matchAll(series), ([, lag]) => Number(lag));
  if (lags.length === 0) throw new Error('nothing tells how much is indexed');
  return lags.reduce((sum, lag) => sum + lag, 0);
}

/** Indexing takes memory of its own, and goes on in the background when there is something to index. */
async function searchIndexSettled(ours: RookeryTarget, { lagMax, stillMs } = { lagMax: 0, stillMs: 0 }) {
  const until = performance.now() + indexLimitMs;
  let lag = await indexLag(ours);
  for (let since = performance.now(); lag > lagMax || performance.now() - since < stillMs; ) {
    if (performance.now() > until) throw new Error(`${lag} messages are not indexed`);
    await sleep(indexPollMs);
    const now = await indexLag(ours);
    if (now !== lag) since = performance.now();
    lag = now;
  }
}

/** And what our host's memory grows by when it opens the large mailbox, nothing else having been opened since it started. */
async function large({ target, generator, scale }: Surroundings): Promise<readonly Figure[]> {
  const place = placeOf(target);
  const figures = await generator.ask({ type: 'run', workload: 'imap-large', target: place, scale });
  const ours = asRookery(target);
  if (ours === undefined) return figures;
  await searchIndexSettled(ours);
  await ours.restart();
  await generator.ask({ type: 'openMailbox', target: place, user: 'user0' });
  const before = await ours.collectGarbage();
  const [opened] = await generator.ask({ type: 'openMailbox', target: place, user: 'large' });
  const growth = (await ours.collectGarbage()) - before;
  const name = `memory per message of an open mailbox of ${opened!.value}`;
  return [...figures, { name, value: growth / opened!.value, unit: 'bytes', better: 'lower' }];
}

async function metricsOf({ adminPort }: RookeryTarget): Promise<string> {
  return (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
}

/** Since the last reading, which ends it; a peer has none. */
export async function eventLoopDelay(target: BenchTarget): Promise<Figure[]> {
  const ours = asRookery(target);
  if (ours === undefined) return [];
  const text = await metricsOf(ours);
  // Of several workers the slowest counts.
  const read = (kind: string): number => {
    const series = new RegExp(`^rookery_event_loop_delay_${kind}_seconds(?:\\{.*\\})? (\\S+)`, 'gm');
    return Math.max(...Array.from(text.matchAll(series), ([, value]) => Number(value)));
  };
  return ['p99', 'max'].map((kind) =>
    milliseconds(`event-loop delay ${kind} since the last workload`, read(kind) * 1000),
  );
}

/** Processor time: unlike the delay by the clock it does not count how long others kept the processor. */
function turnFigures({ turnCpuMs, runCpuMs, collector }: TurnsReport): Figure[] {
  return [
    milliseconds('event-loop turn, processor time, p99', turnCpuMs.p99),
    milliseconds('event-loop turn, processor time, longest', turnCpuMs.longest),
    milliseconds('callback on the event loop, processor time, longest', runCpuMs.longest),
    milliseconds('garbage collection, longest', collector.longestMs),
  ];
}

async function fairness({ target, generator, scale }: Surroundings): Promise<readonly Figure[]> {
  const ours = asRookery(target)?.servers[0];
  if (ours !== undefined) await watchTurns(ours);
  const figures = await generator.ask({ type: 'run', workload: 'fairness', target: placeOf(target), scale });
  return [
    ...figures,
    ...(await eventLoopDelay(target)),
    ...(ours === undefined ? [] : turnFigures(await turnsOf(ours))),
  ];
}

type RunnerWorkload = (surroundings: Surroundings) => Promise<readonly Figure[]>;

/** By name. */
export const runnerWorkloads: Readonly<Record<string, RunnerWorkload>> = {
  'imap-idle': async (surroundings) => [
    ...(await idle(surroundings)),
    ...(await eventLoopDelay(surroundings.target)),
  ],
  'imap-idle-tls': idleOverTls,
  'imap-search': search,
  'imap-select': select,
  'imap-large': large,
  fairness,
};
