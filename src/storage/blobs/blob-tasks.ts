// What is under way in a blob store of either kind: puts, of which one at a time is made for a blob; collecting what was
// dropped; counting what was there when the store was opened.
//
// Invariant: nothing begins once closing began, and closing ends when everything has; who walks rows asks `closed` between
// two of them. A task that nobody waits for is logged when it fails; the next full collection does what it left.

import type { Clock, Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { Engine } from '../engine.ts';
import type { BlobRows } from './blob-rows.ts';
import { type BlobDigest, hex } from './blob-store.ts';

/** Links often go in bursts (an expunge); they are collected together. */
const collectDelayMs = 1000;
/** Beyond it the next full collection finds what was dropped. */
const droppedMax = 100_000;

export interface BlobTasksOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rows: BlobRows;
  collect(digests: readonly BlobDigest[]): Promise<void>;
}

const nothing = (): void => {};

export class BlobTasks {
  readonly #options: BlobTasksOptions;
  readonly #puts = new Map<string, Promise<void>>();
  readonly #dropped = new Map<string, BlobDigest>();
  readonly #running = new Set<Promise<unknown>>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: BlobTasksOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws Fault (temporary) once closing began. */
  assertOpen(): void {
    if (this.#closed) throw new Fault('the blob store is closed', { temporary: true });
  }

  /** Counts what is there at this moment in the background; changes from now on are added as they come. */
  async startCounting(): Promise<void> {
    const { engine, rows } = this.#options;
    const snapshot = await engine.snapshot();
    this.#inBackground('counting blobs', async () => {
      await using held = snapshot;
      for await (const { row } of rows.all(held)) {
        if (this.#closed) return;
        rows.count(row, 1);
      }
    });
  }

  /** Who puts a blob that is being put waits for that one. */
  async put(digest: BlobDigest, make: () => Promise<void>): Promise<void> {
    this.assertOpen();
    const name = hex(digest);
    const under = this.#puts.get(name);
    if (under !== undefined) return under;
    const put = make().finally(() => this.#puts.delete(name));
    this.#puts.set(name, put);
    return put;
  }

  dropped(digest: BlobDigest): void {
    if (this.#closed || this.#dropped.size >= droppedMax) return;
    this.#dropped.set(hex(digest), digest);
    this.#timer ??= this.#options.clock.after(collectDelayMs, () => {
      this.#timer = undefined;
      const digests = [...this.#dropped.values()];
      this.#dropped.clear();
      this.#inBackground('collecting blobs', () => this.#options.collect(digests));
    });
  }

  /** The caller hears of a failure; closing waits for its end. */
  tracked<T>(work: Promise<T>): Promise<T> {
    const ended = work.then(nothing, nothing).finally(() => this.#running.delete(ended));
    this.#running.add(ended);
    return work;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await Promise.allSettled([...this.#running, ...this.#puts.values()]);
  }

  #inBackground(what: string, work: () => Promise<void>): void {
    const running = this.tracked(work());
    running.catch((error: unknown) => {
      // The disk is full, or the engine is away: it says so itself.
      const isPassing = isMailError(error) || (error instanceof Fault && error.temporary);
      this.#options.log[isPassing ? 'warn' : 'error']({ err: error }, `${what} failed`);
    });
  }
}
