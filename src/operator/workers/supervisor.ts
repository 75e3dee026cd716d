// Keeps the worker processes of one machine running: starts them, starts one again that ends (at once the first time, then
// ever later), brings their logs to this process's standard output, and ends them all.
//
// Invariant: before a worker is started again, `ended` has been told that the one before has ended: it was reaped. A start
// in which a worker fails, the first one of all, fails as a whole; later failures are tried again for ever.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Endpoint, Reloaded, RunningProgram } from '../running-server.ts';
import { forwardLines } from './forward-lines.ts';
import { mergeMetrics } from './merge-metrics.ts';
import { ProcessChannel } from './process-channel.ts';
import type { SupervisorCalls, WorkerCalls, WorkerOrders } from './worker-messages.ts';

const firstDelayMs = 100;
const delayMsMax = 30_000;
/** One that has served for so long did not fail by its start. */
const soundAfterMs = 60_000;
/** Starting loads the program and takes shards: well below this on a slow machine. */
const startMsMax = 60_000;
/** A worker that does not answer is left out of the metrics. */
const answerMsMax = 5_000;
/** Beyond the drain: leaving the cluster, flushing. */
const stopMsMax = 15_000;

export interface SupervisorOptions {
  readonly orders: readonly WorkerOrders[];
  /** Of this process itself. */
  readonly metrics: () => Promise<string>;
  /** The process of this worker has ended, unasked. */
  readonly ended: (name: string) => Promise<void>;
  readonly drainMs: () => number;
  readonly clock: Clock;
  readonly log: Logger;
}

interface RunningWorker {
  readonly orders: WorkerOrders;
  readonly child: ChildProcess;
  readonly channel: ProcessChannel<WorkerCalls>;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly endpoints: readonly Endpoint[];
}

export class Supervisor implements Omit<RunningProgram, 'close' | 'log'> {
  readonly #options: SupervisorOptions;
  readonly #workers = new Map<string, RunningWorker>();
  readonly #keeping: Promise<void>[] = [];
  readonly #stopping = Promise.withResolvers<void>();
  #isStopping = false;
  #closing: Promise<void> | undefined;

  private constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Resolves when all serve; rejects with the Fault of the first that does not, and none is left then. */
  static async open(options: SupervisorOptions): Promise<Supervisor> {
    const supervisor = new Supervisor(options);
    const started = await Promise.allSettled(options.orders.map((orders) => supervisor.#start(orders)));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      await supervisor.close();
      throw failed.reason;
    }
    for (const running of supervisor.#workers.values())
      supervisor.#keeping.push(supervisor.#keep(withItsPorts(running)));
    return supervisor;
  }

  /** Each once, though all listen there; not the links between them. */
  get endpoints(): readonly Endpoint[] {
    const places = new Map<string, Endpoint>();
    for (const { endpoints } of this.#workers.values())
      for (const place of endpoints)
        if (place.name !== 'link') places.set(`${place.name} ${place.address} ${place.port}`, place);
    return [...places.values()];
  }

  /** In every worker that runs; who starts later reads the configuration anyway. */
  async reload(): Promise<Reloaded> {
    const all = await Promise.all([...this.#workers.values()].map(({ channel }) => channel.call('reload')));
    const union = (pick: (outcome: Reloaded) => readonly string[]) => [...new Set(all.flatMap(pick))];
    return { reloaded: union((one) => one.reloaded), needRestart: union((one) => one.needRestart) };
  }

  async metrics(): Promise<string> {
    const parts = await Promise.all([
      ...[...this.#workers.values()].map(async ({ orders, channel }) => ({
        worker: orders.name,
        text: await this.#inTime(channel.call('metrics'), answerMsMax).catch(() => ''),
      })),
      this.#options.metrics().then((text) => ({ worker: 'supervisor', text })),
    ]);
    return mergeMetrics(parts);
  }

  /** Drains all at the same time; whoever is not done in time is ended. Twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isStopping = true;
    this.#stopping.resolve();
    await Promise.all([...this.#workers.values()].map((worker) => this.#stop(worker)));
    await Promise.all(this.#keeping);
  }

  async #stop({ orders, child, channel, exited }: RunningWorker): Promise<void> {
    const { clock, drainMs, log } = this.#options;
    channel.call('stop').catch((error: unknown) => {
      log.debug({ err: error, worker: orders.name }, 'a worker was ending already');
    });
    const timer = clock.after(drainMs() + stopMsMax, () => {
      log.error({ worker: orders.name }, 'a worker did not stop in time; it is ended');
      child.kill('SIGKILL');
    });
    await exited;
    timer.cancel();
  }

  async #start(orders: WorkerOrders): Promise<RunningWorker> {
    const child = fork(process.argv[1]!, [...process.argv.slice(2), '--worker', orders.name], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    forwardLines(child.stdout!, process.stdout);
    const calls: SupervisorCalls = { reload: () => this.reload(), metrics: () => this.metrics() };
    const channel = new ProcessChannel<WorkerCalls>(child, calls);
    try {
      const endpoints = await this.#inTime(channel.call('start', orders), startMsMax);
      const worker = { orders, child, channel, exited, endpoints };
      this.#workers.set(orders.name, worker);
      this.#options.log.info({ worker: orders.name, pid: child.pid }, 'a worker serves');
      return worker;
    } catch (error) {
      child.kill('SIGKILL');
      await exited;
      throw error;
    }
  }

  /** Until this supervisor stops. */
  async #keep(orders: WorkerOrders): Promise<void> {
    const { clock, log, ended } = this.#options;
    const worker = orders.name;
    let startedAt = clock.monotonic();
    let delayMs = 0;
    for (;;) {
      const running = this.#workers.get(worker);
      if (running !== undefined) {
        const exit = await running.exited;
        if (this.#isStopping) return;
        this.#workers.delete(worker);
        // One that was told to end by somebody else did so in good order.
        const level = exit.code === 0 ? 'info' : 'error';
        log[level]({ worker, pid: running.child.pid, ...exit }, 'a worker has ended; it is started again');
        if (clock.monotonic() - startedAt >= soundAfterMs) delayMs = 0;
        await ended(worker).catch((error: unknown) =>
          log.error({ err: error, worker }, 'the others wait for the lease of a worker that has ended'),
        );
      }
      await this.#pause(delayMs);
      if (this.#isStopping) return;
      delayMs = Math.min(Math.max(firstDelayMs, 2 * delayMs), delayMsMax);
      startedAt = clock.monotonic();
      try {
        const started = await this.#start(orders);
        if (this.#isStopping) return await this.#stop(started);
      } catch (error) {
        log.error({ err: error, worker, delayMs }, 'a worker cannot be started; trying again');
      }
    }
  }

  /** Cut short when this supervisor stops. */
  async #pause(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(delayMs, resolve);
    await Promise.race([promise, this.#stopping.promise]);
    timer.cancel();
  }

  async #inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
    const { promise, reject } = Promise.withResolvers<T>();
    const timer = this.#options.clock.after(limitMs, () =>
      reject(new Fault('a worker did not answer in time', { temporary: true })),
    );
    try {
      return await Promise.race([work, promise]);
    } finally {
      timer.cancel();
    }
  }
}

/** The admin API is one worker's alone, which chose its port: the next process of that name has the same. */
function withItsPorts({ orders, endpoints }: RunningWorker): WorkerOrders {
  const admin = endpoints.filter(({ name }) => name === 'admin').map(({ port }) => port);
  return { ...orders, ports: { ...orders.ports, admin } };
}
