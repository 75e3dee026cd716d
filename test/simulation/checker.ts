// The promises, checked at every commit the simulated engine applies and once more at the end. A promise broken throws
// Violation: the run stops there, so that the trace ends with the cause in sight.

import type { Member } from '../../src/cluster/membership/cluster-rows.ts';
import type { AccountRows, AccountWrite } from './simulated-mail.ts';

export class Violation extends Error {}

const fail = (message: string): never => {
  throw new Violation(message);
};

export interface AccountCommit {
  readonly account: number;
  readonly shard: number;
  readonly epoch: number;
  readonly writer: Member;
  readonly writes: readonly AccountWrite[];
}

export class Checker {
  /** Shard → epoch and writer of its last commit. */
  readonly #writers = new Map<number, { epoch: number; writer: string }>();
  readonly #epochs = new Map<number, number>();
  /** Account → the highest UID it ever gave. */
  readonly #uids = new Map<number, number>();
  readonly #acknowledged = new Map<number, { account: number; uid: number }>();
  readonly #expunged = new Map<number, Set<number>>();
  commits = 0;

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** Before the engine applies it. */
  committing(commit: AccountCommit, rows: AccountRows): void {
    this.commits++;
    this.#checkWriter(commit);
    let { modSeq } = rows;
    for (const write of commit.writes) {
      if (write.modSeq <= modSeq)
        fail(`account ${commit.account}: mod-sequence ${write.modSeq} after ${modSeq}`);
      modSeq = write.modSeq;
      if (write.kind === 'deliver') this.#checkDelivery(commit.account, write, rows);
      if (write.kind === 'expunge') this.#expungedOf(commit.account).add(write.uid);
    }
  }

  /** A fence row is about to change. */
  raising(shard: number, epoch: number): void {
    const before = this.#epochs.get(shard) ?? 0;
    if (epoch <= before) fail(`shard ${shard}: epoch ${epoch} after ${before}`);
    this.#epochs.set(shard, epoch);
  }

  acknowledged(operation: number, account: number, uid: number): void {
    const before = this.#acknowledged.get(operation);
    if (before !== undefined && before.uid !== uid) {
      fail(`delivery ${operation} was acknowledged as UID ${before.uid} and as UID ${uid}`);
    }
    this.#acknowledged.set(operation, { account, uid });
  }

  answered(account: number, modSeq: number, since: number): void {
    if (modSeq < since) fail(`account ${account}: a session that knew ${since} was answered from ${modSeq}`);
  }

  /** All acknowledged mail is there, once. */
  finish(accounts: ReadonlyMap<number, AccountRows>): void {
    for (const [account, { messages }] of accounts) {
      const seen = new Set<number>();
      for (const { operation } of messages.values()) {
        if (seen.has(operation)) fail(`account ${account}: delivery ${operation} is there twice`);
        seen.add(operation);
      }
    }
    for (const [operation, { account, uid }] of this.#acknowledged) {
      const message = accounts.get(account)?.messages.get(uid);
      if (message === undefined && this.#expungedOf(account).has(uid)) continue;
      if (message?.operation !== operation) fail(`delivery ${operation} (UID ${uid} of ${account}) is lost`);
    }
  }

  #checkWriter({ shard, epoch, writer }: AccountCommit): void {
    const name = `${writer.node}/${writer.incarnation}`;
    const last = this.#writers.get(shard);
    if (last !== undefined && epoch < last.epoch) {
      fail(`shard ${shard}: ${name} committed under epoch ${epoch} after ${last.writer} under ${last.epoch}`);
    }
    if (last !== undefined && epoch === last.epoch && name !== last.writer) {
      fail(`shard ${shard}, epoch ${epoch}: two writers, ${last.writer} and ${name}`);
    }
    this.#writers.set(shard, { epoch, writer: name });
  }

  #checkDelivery(account: number, { uid, operation }: AccountWrite, rows: AccountRows): void {
    const highest = this.#uids.get(account) ?? 0;
    if (uid <= highest) fail(`account ${account}: UID ${uid} given again after ${highest}`);
    this.#uids.set(account, uid);
    if (rows.operations.has(operation)) fail(`account ${account}: delivery ${operation} is stored twice`);
  }

  #expungedOf(account: number): Set<number> {
    let expunged = this.#expunged.get(account);
    if (expunged === undefined) {
      expunged = new Set();
      this.#expunged.set(account, expunged);
    }
    return expunged;
  }
}
