// Measures, inside a server's process, how long its event loop is held: loaded and asked through the inspector
// (watched-turns.ts). A turn is all that the loop does between two looks for what is new; a run is one callback of
// it with the promises that it settles, the piece that nobody can get between. Both are measured in processor time of the
// thread, because on a machine that is shared a turn also takes as long as others keep the processor.
//
// Invariant: watching does not wake the loop (its immediate has no reference); when it has stopped nothing of it runs.

import { createHook, executionAsyncResource } from 'node:async_hooks';
import { writeFileSync } from 'node:fs';
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { CpuProfile } from './cpu-profile.ts';

/** A run or turn from here on is kept, with what ran in it. */
const keptMs = 5;
/** A server that is always late must not fill its memory with records of it. */
const recordsMax = 20_000;
const turnsMax = 1_000_000;
/** A turn from here on is kept, with what it was made of. */
const longTurnMs = 10;
const kindsMax = 4;
const rowsMax = 12;
/** Callbacks that run inside another one's: the run goes on. */
const innerResources = new Set(['Object', 'AsyncResource', 'Promise']);

export interface LongRun {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Of the wall time, in V8's collector. */
  readonly collectorMs: number;
  /** What kind of callback it was. */
  readonly callback: string;
  /** The functions that took most of it, the outermost of ours first; empty without a profile. */
  readonly ran: readonly string[];
}

/** One that many small pieces made long. */
export interface LongTurn {
  readonly cpuMs: number;
  /** Kinds of callbacks with how many they were and what they took, the heaviest first. */
  readonly callbacks: readonly string[];
}

export interface TurnsReport {
  readonly turns: number;
  readonly turnCpuMs: { readonly longest: number; readonly p99: number; readonly over20: number };
  readonly runCpuMs: { readonly longest: number; readonly over20: number };
  readonly collector: { readonly longestMs: number; readonly totalMs: number; readonly longestKind: string };
  /** The longest, worst first. */
  readonly longRuns: readonly LongRun[];
  readonly longTurns: readonly LongTurn[];
}

interface Span {
  readonly cpuUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly callback: string;
}

const kinds: Record<number, string> = {
  1: 'scavenge',
  2: 'minor mark-sweep',
  4: 'mark-sweep-compact',
  8: 'incremental marking',
  16: 'weak callbacks',
};

/** Of this thread. The kernel brings a thread's own count up to date only when it is asked for the whole process's. */
function threadCpuUs(): number {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

class TurnMonitor {
  readonly #profile = new CpuProfile();
  #turnsUs: number[] = [];
  #runs: Span[] = [];
  #longestRunUs = 0;
  #runsOver20 = 0;
  #collections: PerformanceEntry[] = [];
  #longTurns: LongTurn[] = [];
  #callbacks = new Map<string, { count: number; cpuUs: number }>();
  #turnCpuUs = threadCpuUs();
  #runCpuUs = this.#turnCpuUs;
  #runFromUs = nowUs();
  #callback = '';
  /** Between the process's two clocks: that of the collector's entries, and that of profiles. */
  readonly #originUs = nowUs() - performance.now() * 1000;

  readonly #hook = createHook({ before: () => this.#begin(), trackPromises: false });
  readonly #observer = new PerformanceObserver((list) => {
    if (this.#collections.length < recordsMax) this.#collections.push(...list.getEntries());
  });
  #turnEnd: NodeJS.Immediate | undefined;

  /** Written when the process ends while it is watched. */
  #reportFile: string | undefined;
  readonly #atExit = (): void => writeFileSync(this.#reportFile!, JSON.stringify(this.report()));

  /** With a profile, which itself takes a few percent, the report also says what ran. */
  start({ profile = false, reportFile }: { readonly profile?: boolean; readonly reportFile: string }): void {
    this.stop();
    this.#reportFile = reportFile;
    process.once('exit', this.#atExit);
    this.#turnsUs = [];
    this.#runs = [];
    this.#longTurns = [];
    this.#callbacks.clear();
    this.#longestRunUs = 0;
    this.#runsOver20 = 0;
    this.#collections = [];
    if (profile) this.#profile.start();
    this.#observer.observe({ entryTypes: ['gc'] });
    this.#hook.enable();
    this.#turnCpuUs = threadCpuUs();
    this.#runCpuUs = this.#turnCpuUs;
    this.#runFromUs = nowUs();
    this.#callback = 'the beginning';
    this.#waitForTurnEnd();
  }

  stop(): void {
    process.off('exit', this.#atExit);
    this.#hook.disable();
    this.#observer.disconnect();
    clearImmediate(this.#turnEnd);
    this.#profile.stop();
  }

  #waitForTurnEnd(): void {
    this.#turnEnd = setImmediate(() => this.#endTurn());
    this.#turnEnd.unref();
  }

  #endTurn(): void {
    const cpuUs = threadCpuUs();
    const took = cpuUs - this.#turnCpuUs;
    if (this.#turnsUs.length < turnsMax) this.#turnsUs.push(took);
    if (took > longTurnMs * 1000 && this.#longTurns.length < recordsMax)
      this.#longTurns.push({ cpuMs: took / 1000, callbacks: this.#describeCallbacks() });
    this.#callbacks.clear();
    this.#turnCpuUs = cpuUs;
    this.#waitForTurnEnd();
  }

  #begin(): void {
    const name = executionAsyncResource()?.constructor?.name ?? '';
    if (innerResources.has(name)) return;
    const cpuUs = threadCpuUs();
    const toUs = nowUs();
    // The kernel's count has been seen to leap (time that the host took from the machine): no run is longer than by the clock.
    const took = Math.min(cpuUs - this.#runCpuUs, toUs - this.#runFromUs);
    const kind = this.#callbacks.get(this.#callback) ?? { count: 0, cpuUs: 0 };
    this.#callbacks.set(this.#callback, { count: kind.count + 1, cpuUs: kind.cpuUs + took });
    if (took > this.#longestRunUs) this.#longestRunUs = took;
    if (took > 20_000) this.#runsOver20++;
    if (took > keptMs * 1000 && this.#runs.length < recordsMax)
      this.#runs.push({ cpuUs: took, fromUs: this.#runFromUs, toUs, callback: this.#callback });
    this.#runCpuUs = cpuUs;
    this.#runFromUs = toUs;
    this.#callback = name;
  }

  #describeCallbacks(): string[] {
    return [...this.#callbacks]
      .sort(([, a], [, b]) => b.cpuUs - a.cpuUs)
      .slice(0, kindsMax)
      .map(([name, { count, cpuUs }]) => `${count} ${name} ${(cpuUs / 1000).toFixed(1)} ms`);
  }

  /** Of what ran since `start`; ends the watch. */
  report(): TurnsReport {
    const profile = this.#profile.stop();
    this.stop();
    const turns = this.#turnsUs.sort((a, b) => a - b);
    const worst = this.#runs.sort((a, b) => b.cpuUs - a.cpuUs).slice(0, rowsMax);
    const longestCollection = this.#collections.reduce(
      (a, b) => (b.duration > (a?.duration ?? 0) ? b : a),
      this.#collections[0],
    );
    return {
      turns: turns.length,
      turnCpuMs: {
        longest: (turns.at(-1) ?? 0) / 1000,
        p99: (turns[Math.floor(turns.length * 0.99)] ?? 0) / 1000,
        over20: turns.filter((us) => us > 20_000).length,
      },
      runCpuMs: { longest: this.#longestRunUs / 1000, over20: this.#runsOver20 },
      collector: {
        longestMs: longestCollection?.duration ?? 0,
        totalMs: this.#collections.reduce((sum, one) => sum + one.duration, 0),
        longestKind:
          kinds[(longestCollection as { detail?: { kind?: number } } | undefined)?.detail?.kind ?? 0] ?? '',
      },
      longTurns: this.#longTurns.sort((a, b) => b.cpuMs - a.cpuMs).slice(0, rowsMax),
      longRuns: worst.map((run) => ({
        cpuMs: run.cpuUs / 1000,
        wallMs: (run.toUs - run.fromUs) / 1000,
        collectorMs: this.#collectorMs(run),
        callback: run.callback,
        ran: profile?.between(run.fromUs, run.toUs) ?? [],
      })),
    };
  }

  #collectorMs({ fromUs, toUs }: Span): number {
    let us = 0;
    for (const { startTime, duration } of this.#collections) {
      const from = startTime * 1000 + this.#originUs;
      us += Math.max(0, Math.min(toUs, from + duration * 1000) - Math.max(fromUs, from));
    }
    return us / 1000;
  }
}

Object.assign(globalThis, { rookeryTurns: new TurnMonitor() });
