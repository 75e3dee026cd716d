// The cell's database as its clients see PostgreSQL: commits are atomic and in one order, a read sees all that was
// committed before it; but requests and answers travel, get lost when it is away or a line is cut, and a commit whose
// answer was lost may have happened, may never happen, or, for the cluster's rows, may still happen seconds later.
//
// A commit of mail is another matter: the account's writer reads again after a lost answer and goes on from there, so
// the engine must have made sure by then that the commit will not come later (it is resolved by its id). `lateMail`
// simulates an engine that does not.

import type { FenceRows } from '../../src/cluster/membership/cluster-change.ts';
import type { ShardId } from '../../src/mail/ids.ts';
import type { Batch, Bytes, Entry } from '../../src/storage/engine.ts';
import { decodeEpoch, fenceKey } from '../../src/storage/fence.ts';
import type { AccountCommit, Checker } from './checker.ts';
import type { RowAuthor, RowChecker } from './row-checker.ts';
import { type AccountRows, applyWrite, emptyAccount } from './simulated-mail.ts';

const textOf = (key: Bytes): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');

export type CommitOutcome = 'committed' | 'conflict' | 'fenced';

export class SimulatedEngine {
  readonly accounts = new Map<number, AccountRows>();
  readonly #rows = new Map<string, Bytes>();
  readonly #cluster = new Map<string, Entry>();
  readonly #epochs: number[];
  /** Fence key → shard. */
  readonly #fences = new Map<string, number>();
  readonly #checker: Checker;
  readonly #rowChecker: RowChecker;
  #clusterRows: Entry[] | undefined;
  isUp = true;
  /** Called after a commit with signals. */
  onSignal: () => void = () => undefined;

  constructor(shards: number, checker: Checker, rowChecker: RowChecker) {
    this.#checker = checker;
    this.#rowChecker = rowChecker;
    this.#epochs = new Array<number>(shards).fill(0);
    for (let shard = 0; shard < shards; shard++) this.#fences.set(textOf(fenceKey(shard as ShardId)), shard);
  }

  readCluster(): readonly Entry[] {
    this.#clusterRows ??= [...this.#cluster.values()];
    return this.#clusterRows;
  }

  readFences(): FenceRows {
    const fences = new Map<ShardId, Bytes | undefined>();
    for (const [key, shard] of this.#fences) fences.set(shard as ShardId, this.#rows.get(key));
    return fences;
  }

  account(account: number): AccountRows {
    let rows = this.accounts.get(account);
    if (rows === undefined) {
      rows = emptyAccount();
      this.accounts.set(account, rows);
    }
    return rows;
  }

  /** `author`: whose commit it is, an operator's when nobody's. */
  commit(batch: Batch, author?: RowAuthor): CommitOutcome {
    for (const { key, expected } of batch.conditions ?? []) {
      const value = this.#rows.get(textOf(key));
      const holds =
        value === undefined || expected === undefined
          ? value === expected
          : value === expected || Buffer.compare(value, expected) === 0;
      if (!holds) return 'conflict';
    }
    for (const entry of batch.puts ?? []) this.#put(entry, author);
    this.#clusterRows = undefined;
    if (batch.signals !== undefined) this.onSignal();
    return 'committed';
  }

  commitMail(commit: AccountCommit): CommitOutcome {
    if (this.#epochs[commit.shard] !== commit.epoch) return 'fenced';
    const rows = this.account(commit.account);
    this.#checker.committing(commit, rows);
    for (const write of commit.writes) applyWrite(rows, write);
    return 'committed';
  }

  #put(entry: Entry, author: RowAuthor | undefined): void {
    const key = textOf(entry.key);
    const shard = this.#fences.get(key);
    if (shard === undefined) {
      this.#rowChecker.put(entry, author);
      this.#cluster.set(key, entry);
    } else {
      const epoch = decodeEpoch(entry.value);
      this.#checker.raising(shard, epoch);
      this.#epochs[shard] = epoch;
    }
    this.#rows.set(key, entry.value);
  }
}
