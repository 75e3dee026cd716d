// Makes one change of a group of batches, so that the server does each step once for all of them: what the group leaves
// behind, and what must hold in the store before it.
//
// Invariant: when every check holds in the store, applying the merged change gives the same rows and the same results as
// applying the batches one after the other. A condition on a row that an earlier batch of the group changed is decided here,
// on the supposition that the checks hold; when one does not, nothing of this counts and the group is split (`splitAt`).

import type { Batch, Bytes, CommitResult } from '../engine.ts';
import { encodeEpoch } from '../fence.ts';

type Refusal = Exclude<CommitResult, { outcome: 'committed' }>;

export interface Dependent {
  readonly batch: number;
  /** The batch's result when the check does not hold. */
  readonly result: Refusal;
}

interface Check {
  readonly key: Bytes;
  /** Undefined: there must be no row. */
  readonly value: Bytes | undefined;
  readonly sortKey: string;
  readonly dependents: Dependent[];
}

export interface MergedGroup {
  readonly fences: readonly Check[];
  readonly conditions: readonly Check[];
  readonly absences: readonly Check[];
  /** What the keys of `absences` get when they are inserted. */
  readonly absentValues: readonly Bytes[];
  readonly rangeStarts: readonly Bytes[];
  readonly rangeEnds: readonly Bytes[];
  readonly deleteKeys: readonly Bytes[];
  readonly putKeys: readonly Bytes[];
  readonly putValues: readonly Bytes[];
  /** For each batch: its refusal by what earlier ones did; undefined: committed. */
  readonly refusals: readonly (Refusal | undefined)[];
}

interface Change {
  readonly key: Bytes;
  /** Undefined: deleted. */
  value: Bytes | undefined;
}

const none = Buffer.alloc(0);

function text(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

function bySortKey(a: { readonly sortKey: string }, b: { readonly sortKey: string }): number {
  return a.sortKey < b.sortKey ? -1 : a.sortKey > b.sortKey ? 1 : 0;
}

class Merger {
  readonly fences = new Map<string, Check>();
  readonly conditions = new Map<string, Check>();
  readonly absences = new Map<string, Check>();
  /** What the batches so far did, by key; rows of `ranges` that are not here are gone. */
  readonly changes = new Map<string, Change>();
  readonly ranges: {
    readonly start: string;
    readonly end: string;
    readonly bytes: readonly [Bytes, Bytes];
  }[] = [];

  /** Undefined: it is applied. */
  add(batch: Batch, index: number): Refusal | undefined {
    const { fence } = batch;
    if (fence !== undefined) {
      // Nobody ever held the shard: there is no row.
      const expected = fence.epoch === 0 ? undefined : encodeEpoch(fence.epoch);
      const checks = expected === undefined ? this.absences : this.fences;
      const result: Refusal = { outcome: 'fenced' };
      if (!this.#holds(fence.key, expected, checks, { batch: index, result })) return result;
    }
    const conditions = batch.conditions ?? [];
    for (let condition = 0; condition < conditions.length; condition++) {
      const { key, expected } = conditions[condition]!;
      const checks = expected === undefined ? this.absences : this.conditions;
      const result: Refusal = { outcome: 'conflict', condition };
      if (!this.#holds(key, expected, checks, { batch: index, result })) return result;
    }
    this.#apply(batch);
    return undefined;
  }

  isInRange(key: string): boolean {
    return this.ranges.some(({ start, end }) => key >= start && key < end);
  }

  #holds(key: Bytes, expected: Bytes | undefined, checks: Map<string, Check>, dependent: Dependent): boolean {
    const sortKey = text(key);
    const change = this.changes.get(sortKey);
    if (change !== undefined) {
      if (change.value === undefined || expected === undefined) return change.value === expected;
      return Buffer.compare(change.value, expected) === 0;
    }
    if (this.isInRange(sortKey)) return expected === undefined;
    const name = expected === undefined ? sortKey : `${sortKey.length} ${sortKey}${text(expected)}`;
    const check = checks.get(name);
    if (check === undefined) checks.set(name, { key, value: expected, sortKey, dependents: [dependent] });
    else check.dependents.push(dependent);
    return true;
  }

  #apply(batch: Batch): void {
    for (const { start, end } of batch.deleteRanges ?? []) {
      const range = { start: text(start), end: text(end), bytes: [start, end] as const };
      if (range.start >= range.end) continue;
      this.ranges.push(range);
      for (const [key, change] of this.changes) {
        if (key >= range.start && key < range.end) change.value = undefined;
      }
    }
    for (const key of batch.deletes ?? []) this.changes.set(text(key), { key, value: undefined });
    for (const { key, value } of batch.puts ?? []) this.changes.set(text(key), { key, value });
  }
}

export function mergeGroup(batches: readonly Batch[]): MergedGroup {
  const merger = new Merger();
  const refusals = batches.map((batch, index) => merger.add(batch, index));
  const absences = [...merger.absences.values()].sort(bySortKey);
  const absentValues = absences.map(({ key, sortKey }) => {
    const change = merger.changes.get(sortKey);
    if (change?.value === undefined) {
      // Only held for the transaction.
      merger.changes.set(sortKey, { key, value: undefined });
      return none;
    }
    // A range that is deleted takes it along, so it is put again behind that.
    if (merger.isInRange(sortKey)) return none;
    merger.changes.delete(sortKey);
    return change.value;
  });
  const deleteKeys: Bytes[] = [];
  const putKeys: Bytes[] = [];
  const putValues: Bytes[] = [];
  for (const sortKey of [...merger.changes.keys()].sort()) {
    const { key, value } = merger.changes.get(sortKey)!;
    if (value === undefined) {
      deleteKeys.push(key);
    } else {
      putKeys.push(key);
      putValues.push(value);
    }
  }
  return {
    fences: [...merger.fences.values()].sort(bySortKey),
    conditions: [...merger.conditions.values()].sort(bySortKey),
    absences,
    absentValues,
    rangeStarts: merger.ranges.map(({ bytes }) => bytes[0]),
    rangeEnds: merger.ranges.map(({ bytes }) => bytes[1]),
    deleteKeys,
    putKeys,
    putValues,
    refusals,
  };
}

/** Who is concerned by the checks that failed, which are numbered through: fences, conditions, absences. */
export function dependentsOf(merged: MergedGroup, failed: readonly number[]): Dependent[] {
  const checks = [...merged.fences, ...merged.conditions, ...merged.absences];
  return failed.flatMap((check) => checks[check]?.dependents ?? []);
}

/** The result of a batch alone: the fence comes before the conditions, the first condition before the others. */
export function firstRefusal(dependents: readonly Dependent[]): Refusal | undefined {
  let first: Refusal | undefined;
  for (const { result } of dependents) {
    if (result.outcome === 'fenced') return result;
    if (first === undefined || (first.outcome === 'conflict' && result.condition < first.condition))
      first = result;
  }
  return first;
}

/** In order: those that are concerned each alone, those between them together. */
export function splitAt<Item>(items: readonly Item[], alone: ReadonlySet<number>): Item[][] {
  const parts: Item[][] = [];
  let together: Item[] = [];
  for (let index = 0; index < items.length; index++) {
    if (!alone.has(index)) {
      together.push(items[index]!);
      continue;
    }
    if (together.length > 0) parts.push(together);
    together = [];
    parts.push([items[index]!]);
  }
  if (together.length > 0) parts.push(together);
  return parts;
}
