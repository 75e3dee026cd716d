// Gathers commits that come at the same time into groups. While the writer flushes one, a second one waits at the writer, so
// that it goes on at once though the event loop may be busy, and the next collects. So many accounts share one flush,
// which is where the speed comes from.
//
// Invariant: batches go out in the order of the calls. What waits is bounded; above the bounds a commit is refused
// with a temporary Fault, since its callers already wait for theirs and are not to be many more than this.

import { Fault } from '../base/fault.ts';
import { measureBatch } from './batch-limits.ts';
import type { Batch, CommitResult } from './engine.ts';

/** More in a group does not make it cheaper: the flush is then bound by the bytes, and latency suffers. */
const groupBytesMax = 4 * 1024 * 1024;
const groupBatchesMax = 1000;
/** One that is flushed and one that waits at the writer; more would only make groups smaller. */
const groupsAtWriterMax = 2;
/** Callers wait for their commits, so a queue this long means that the disk has stopped. */
const waitingBatchesMax = 50_000;
const waitingBytesMax = 512 * 1024 * 1024;

/** What waits for its group. */
export interface PendingWork {
  readonly bytes: number;
  readonly reject: (error: Error) => void;
}

export interface PendingCommit extends PendingWork {
  readonly batch: Batch;
  readonly resolve: (result: CommitResult) => void;
}

export interface GroupCommitOptions<Pending> {
  /** Resolves on the next turn of the event loop: commits of one turn share a group. */
  readonly nextTurn: () => Promise<void>;
  /**
   * A writer that has nothing to do is given the first commit at once: a flush of it alone costs little, and those that come
   * while it lasts make the next group.
   */
  readonly eager?: boolean;
  /** Writes a group and settles every commit in it; never rejects. */
  readonly write: (group: readonly Pending[]) => Promise<void>;
}

/** One batch for a group. */
export function addBatch(
  commits: { add(pending: PendingCommit): void },
  batch: Batch,
): Promise<CommitResult> {
  return new Promise((resolve, reject) => {
    commits.add({ batch, bytes: measureBatch(batch), resolve, reject });
  });
}

export class GroupCommit<Pending extends PendingWork = PendingCommit> {
  readonly #options: GroupCommitOptions<Pending>;
  #waiting: Pending[] = [];
  #waitingBytes = 0;
  #atWriter = 0;
  #gathering = false;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(options: GroupCommitOptions<Pending>) {
    this.#options = options;
  }

  /** It will be settled by `write`. Throws Fault when it cannot be taken. */
  add(pending: Pending): void {
    if (this.#closed) throw new Fault('the store is closed', { temporary: true });
    const { bytes } = pending;
    const full =
      this.#waiting.length >= waitingBatchesMax ||
      (this.#waiting.length > 0 && this.#waitingBytes + bytes > waitingBytesMax);
    if (full) throw new Fault('too many changes wait for the disk', { temporary: true });
    this.#waiting.push(pending);
    this.#waitingBytes += bytes;
    this.#gather();
  }

  /** What has not gone to the writer never goes: it was decided on what is not there any more. */
  rejectWaiting(reason: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { reject } of waiting) reject(reason);
  }

  /** Refuses further commits and resolves when all that were accepted are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#atWriter === 0 && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Sends what waits, as long as the writer takes more: when this turn has been gathered, or at once. */
  #gather(): void {
    if (this.#gathering || this.#atWriter >= groupsAtWriterMax || this.#waiting.length === 0) return;
    if (this.#options.eager === true && this.#atWriter === 0) {
      this.#send();
      return;
    }
    this.#gathering = true;
    void this.#options.nextTurn().then(() => {
      this.#gathering = false;
      if (this.#waiting.length === 0) return this.#rest();
      this.#send();
      this.#gather();
    });
  }

  #send(): void {
    this.#atWriter++;
    void this.#options.write(this.#take()).then(() => {
      this.#atWriter--;
      this.#gather();
      this.#rest();
    });
  }

  #rest(): void {
    if (this.#atWriter === 0 && this.#waiting.length === 0) this.#idle?.();
  }

  #take(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const pending of this.#waiting) {
      if (count > 0 && (bytes + pending.bytes > groupBytesMax || count >= groupBatchesMax)) break;
      bytes += pending.bytes;
      count++;
    }
    const group = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#waitingBytes -= bytes;
    return group;
  }
}
