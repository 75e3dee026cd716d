// Which operations of an account are remembered, for retries, and in which rows: `kept` of them as a rule, more while many are
// young. A new one takes the row of the oldest, once that is older than any retry can be; until then it gets a row of its
// own, and the rows that are too many go again, one with each operation.
// Invariants: an operation younger than `lifeMs` is never forgotten; age is counted on this host's clock, from when the
// operation was recorded here or the account was loaded, so clocks of two hosts are never compared.
// Pure; refuses with limitReached when there is no room for one more.

import { MailError } from '../../mail/mail-error.ts';
import type { OperationRecord } from '../records/operation-record.ts';

export interface OperationLimits {
  readonly kept: number;
  readonly max: number;
  readonly lifeMs: number;
}

interface Remembered {
  readonly slot: number;
  readonly number: number;
}

/** Ages are known to this: coarse, because all that matters is minutes. */
const markMs = 1_000;

export class OperationSlots {
  /** By id, the oldest first. */
  readonly #remembered = new Map<string, Remembered>();
  /** All operations below the number were recorded by then. */
  readonly #marks: { readonly below: number; readonly at: number }[] = [];
  #oldBelow = 0;
  #nextSlot = 0;

  get size(): number {
    return this.#remembered.size;
  }

  /** Rows there are numbers for. */
  get nextSlot(): number {
    return this.#nextSlot;
  }

  has(operationId: string): boolean {
    return this.#remembered.has(operationId);
  }

  /** The slot of its row. */
  get(operationId: string): number | undefined {
    return this.#remembered.get(operationId)?.slot;
  }

  oldestFirst(): MapIterator<[string, Remembered]> {
    return this.#remembered.entries();
  }

  /** Of an account that is loaded. Gives the number of the next operation. */
  load(
    rows: { readonly operationId: string; readonly slot: number; readonly number: number }[],
    now: number,
  ) {
    let next = 0;
    for (const { operationId, slot, number } of rows.sort((a, b) => a.number - b.number)) {
      this.#remembered.set(operationId, { slot, number });
      this.#nextSlot = Math.max(this.#nextSlot, slot + 1);
      next = number + 1;
    }
    this.#marks.push({ below: next, at: now });
    return next;
  }

  /** No retry of it can come any more. */
  isOld({ number }: Remembered, { lifeMs, now }: { readonly lifeMs: number; readonly now: number }): boolean {
    while (this.#marks.length > 0 && now - this.#marks[0]!.at >= lifeMs)
      this.#oldBelow = Math.max(this.#oldBelow, this.#marks.shift()!.below);
    return number < this.#oldBelow;
  }

  /** What a commit made durable. */
  apply({ added, forgotten }: DraftOperations, now: number): void {
    for (const operationId of forgotten) this.#remembered.delete(operationId);
    for (const { slot, number, record } of added) {
      this.#remembered.set(record.operationId, { slot, number });
      this.#nextSlot = Math.max(this.#nextSlot, slot + 1);
    }
    const last = added.at(-1);
    const isMarked = (this.#marks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) > now - markMs;
    if (last !== undefined && !isMarked) this.#marks.push({ below: last.number + 1, at: now });
  }
}

/** The operations of one commit. */
export class DraftOperations {
  readonly added: { readonly slot: number; readonly number: number; readonly record: OperationRecord }[] = [];
  readonly forgotten: string[] = [];
  /** Rows of forgotten ones that nobody takes. */
  readonly freed: number[] = [];
  readonly #slots: OperationSlots;
  readonly #limits: OperationLimits;
  readonly #now: number;
  #fresh = 0;
  #oldest: Iterator<[string, Remembered]> | undefined;
  #next: [string, Remembered] | undefined;

  constructor(slots: OperationSlots, limits: OperationLimits, now: number) {
    this.#slots = slots;
    this.#limits = limits;
    this.#now = now;
  }

  /** Refuses with limitReached; to be asked before anything is decided. */
  requireRoom(): void {
    if (this.#held < this.#limits.max || this.#peekOld() !== undefined) return;
    throw new MailError('limitReached', 'this account changed too often within a minute');
  }

  find(operationId: string): OperationRecord | undefined {
    return this.added.find(({ record }) => record.operationId === operationId)?.record;
  }

  add(record: OperationRecord, number: number): void {
    const held = this.#held;
    const slot = held >= this.#limits.kept ? this.#takeOldest() : undefined;
    if (slot !== undefined && held > this.#limits.kept) {
      const excess = this.#takeOldest();
      if (excess !== undefined) this.freed.push(excess);
    }
    this.added.push({ slot: slot ?? this.#slots.nextSlot + this.#fresh++, number, record });
  }

  get #held(): number {
    return this.#slots.size - this.forgotten.length + this.added.length;
  }

  /** Its slot; undefined: a retry of it may come yet. */
  #takeOldest(): number | undefined {
    const oldest = this.#peekOld();
    if (oldest === undefined) return undefined;
    this.#next = undefined;
    this.forgotten.push(oldest[0]);
    return oldest[1].slot;
  }

  #peekOld(): [string, Remembered] | undefined {
    this.#oldest ??= this.#slots.oldestFirst();
    this.#next ??= this.#oldest.next().value as [string, Remembered] | undefined;
    if (this.#next === undefined) return undefined;
    const isOld = this.#slots.isOld(this.#next[1], { lifeMs: this.#limits.lifeMs, now: this.#now });
    return isOld ? this.#next : undefined;
  }
}
