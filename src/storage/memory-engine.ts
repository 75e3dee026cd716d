// The engine for tests and for programs that need no disk: an immutable map, replaced at each commit.
// It keeps the whole contract but durability: `commit` resolves after a turn of the microtask queue, as a real
// engine's would, and what was committed is gone with the process.

import { Fault } from '../base/fault.ts';
import { silentLog } from '../base/log.ts';
import { measureBatch } from './batch-limits.ts';
import type {
  Batch,
  Bytes,
  CommitResult,
  Engine,
  EngineStatistics,
  Entry,
  Page,
  PageLimits,
  Range,
  Snapshot,
} from './engine.ts';
import { decodeEpoch } from './fence.ts';
import { SortedMap } from './sorted-map.ts';
import { Topics } from './topics.ts';

/** An engine that lives and dies with this object. */
export function openMemoryEngine(): Engine {
  return new MemoryEngine();
}

function text(key: Bytes): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

function readPage(rows: SortedMap, range: Range, limits: PageLimits): Page {
  const entries: Entry[] = [];
  let bytes = 0;
  const reverse = range.reverse === true;
  for (const [key, value] of rows.entries(text(range.start), text(range.end), reverse)) {
    if (entries.length > 0 && (entries.length >= limits.entriesMax || bytes >= limits.bytesMax)) {
      return { entries, next: reverse ? entries.at(-1)!.key : Buffer.from(key, 'latin1') };
    }
    entries.push({ key: Buffer.from(key, 'latin1'), value: Buffer.from(value) });
    bytes += value.length;
  }
  return { entries };
}

function copyOf(value: Bytes | undefined): Bytes | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}

/** Undefined when fence and conditions hold. */
function refuse(rows: SortedMap, batch: Batch): CommitResult | undefined {
  if (batch.fence !== undefined && decodeEpoch(rows.get(text(batch.fence.key))) !== batch.fence.epoch) {
    return { outcome: 'fenced' };
  }
  const conditions = batch.conditions ?? [];
  for (let condition = 0; condition < conditions.length; condition++) {
    const { key, expected } = conditions[condition]!;
    const value = rows.get(text(key));
    const holds =
      value === undefined || expected === undefined
        ? value === expected
        : Buffer.compare(value, expected) === 0;
    if (!holds) return { outcome: 'conflict', condition };
  }
  return undefined;
}

function apply(rows: SortedMap, batch: Batch): SortedMap {
  const edit = rows.edit();
  for (const { start, end } of batch.deleteRanges ?? []) {
    for (const [key] of rows.entries(text(start), text(end), false)) edit.delete(key);
  }
  for (const key of batch.deletes ?? []) edit.delete(text(key));
  for (const { key, value } of batch.puts ?? []) edit.set(text(key), Buffer.from(value));
  return edit.finish();
}

class MemoryEngine implements Engine {
  readonly name = 'memory';
  readonly #topics = new Topics(silentLog);
  #rows = new SortedMap();
  #open = true;
  #commits = 0;
  #bytesWritten = 0;

  async get(key: Bytes): Promise<Bytes | undefined> {
    return copyOf(this.#current().get(text(key)));
  }

  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    const rows = this.#current();
    return keys.map((key) => copyOf(rows.get(text(key))));
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    return readPage(this.#current(), range, limits);
  }

  async snapshot(): Promise<Snapshot> {
    return new MemorySnapshot(this.#current());
  }

  async commit(batch: Batch): Promise<CommitResult> {
    const bytes = measureBatch(batch);
    const refused = refuse(this.#current(), batch);
    if (refused !== undefined) return refused;
    this.#rows = apply(this.#rows, batch);
    this.#commits++;
    this.#bytesWritten += bytes;
    await Promise.resolve();
    this.#topics.signal(batch.signals);
    return { outcome: 'committed' };
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.#topics.subscribe(topic, listener);
  }

  statistics(): EngineStatistics {
    return {
      commits: this.#commits,
      batches: this.#commits,
      bytesWritten: this.#bytesWritten,
      bytesOnDisk: 0,
    };
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#rows = new SortedMap();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #current(): SortedMap {
    if (!this.#open) throw new Fault('the store is closed', { temporary: true });
    return this.#rows;
  }
}

class MemorySnapshot implements Snapshot {
  #rows: SortedMap | undefined;

  constructor(rows: SortedMap) {
    this.#rows = rows;
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    return copyOf(this.#held().get(text(key)));
  }

  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    const rows = this.#held();
    return keys.map((key) => copyOf(rows.get(text(key))));
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    return readPage(this.#held(), range, limits);
  }

  async release(): Promise<void> {
    this.#rows = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #held(): SortedMap {
    if (this.#rows === undefined) throw new Fault('the snapshot is released', { temporary: true });
    return this.#rows;
  }
}
