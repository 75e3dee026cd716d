// What a process that does not have the embedded engine reads from its file by itself: rows that are never changed, and
// those of the shards that it holds. Everything else the engine is asked for.
// Invariant: an answer is what the engine would have given. Fails as whoever is asked does.

import type { Batch, Bytes, Page, PageLimits, Range } from '../engine.ts';
import type { GroupOutcome } from './embedded-engine.ts';
import type { HeldRows } from './held-rows.ts';
import { readPage, readValue, unslicedKeysMax } from './lmdb-reads.ts';
import type { SettledRows } from './settled-rows.ts';

type AskForValues = (missing: readonly Bytes[]) => Promise<(Bytes | undefined)[]>;

export class FileReads implements AsyncDisposable {
  readonly #settled: SettledRows;
  readonly #held: HeldRows | undefined;

  /** Both of one file, which `settled` closes. */
  constructor(settled: SettledRows, held?: HeldRows) {
    this.#settled = settled;
    this.#held = held;
  }

  async get(key: Bytes, ask: () => Promise<Bytes | undefined>): Promise<Bytes | undefined> {
    const view = this.#held?.viewOf(key);
    if (view !== undefined) return readValue(view, key);
    return this.#settled.find(key) ?? (await ask());
  }

  async getMany(keys: readonly Bytes[], ask: AskForValues): Promise<(Bytes | undefined)[]> {
    // Many would take longer than a turn may.
    const view = keys.length > unslicedKeysMax ? undefined : this.#held?.viewOfAll(keys);
    if (view !== undefined) return keys.map((key) => readValue(view, key));
    return await this.#settled.findOrAsk(keys, ask);
  }

  async page(range: Range, limits: PageLimits, ask: () => Promise<Page>): Promise<Page> {
    const view = this.#held?.viewOfRange(range);
    return view === undefined ? await ask() : readPage(view, range, limits);
  }

  /** This process committed the batch. */
  committed(batch: Batch, outcome: GroupOutcome): void {
    this.#held?.add(batch, outcome);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#settled[Symbol.asyncDispose]();
  }
}
