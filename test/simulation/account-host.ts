// The accounts of one shard on the node that hosts it, under one epoch: mutations queue, those that wait are decided and
// committed together under the fence, and only then is memory changed and anybody answered: as src/account does it.

import type { Member } from '../../src/cluster/membership/cluster-rows.ts';
import type { Checker } from './checker.ts';
import type { SimulatedEngine } from './simulated-engine.ts';
import {
  type AccountRows,
  applyWrite,
  type Changes,
  changesSince,
  copyAccount,
  MailDraft,
  type Mutation,
} from './simulated-mail.ts';

/** `elsewhere`: ask where the account is now. `again`: it may or may not have happened; ask again. */
export type MutationAnswer = { readonly uid: number } | 'elsewhere' | 'again';

/** What a shard's host needs of its node. */
export interface HostingNode {
  readonly self: Member;
  readonly engine: SimulatedEngine;
  readonly checker: Checker;
  /** The shard is held, under this epoch, with a lease. */
  mayServe(shard: number, epoch: number): boolean;
  ask<Result>(apply: () => Result, answered: (result: Result | 'unknown') => void): void;
  fenced(shard: number, epoch: number): void;
}

interface Waiting {
  readonly mutation: Mutation;
  readonly answer: (answer: MutationAnswer) => void;
}

interface OpenAccount {
  state: AccountRows | undefined;
  isBusy: boolean;
  queue: Waiting[];
  readers: (() => void)[];
}

export class ShardHosting {
  readonly shard: number;
  readonly epoch: number;
  readonly #node: HostingNode;
  readonly #accounts = new Map<number, OpenAccount>();
  #onReleased: (() => void) | undefined;
  #dropped = false;

  constructor(node: HostingNode, shard: number, epoch: number) {
    this.#node = node;
    this.shard = shard;
    this.epoch = epoch;
  }

  mutate(account: number, mutation: Mutation, answer: (answer: MutationAnswer) => void): void {
    if (!this.#isOpen()) {
      answer('elsewhere');
      return;
    }
    const open = this.#open(account);
    open.queue.push({ mutation, answer });
    this.#work(account, open);
  }

  changes(account: number, since: number, answer: (changes: Changes | 'elsewhere') => void): void {
    if (!this.#isOpen()) {
      answer('elsewhere');
      return;
    }
    const open = this.#open(account);
    open.readers.push(() => {
      if (this.#dropped || open.state === undefined || !this.#mayServe()) answer('elsewhere');
      else {
        this.#node.checker.answered(account, open.state.modSeq, since);
        answer(changesSince(open.state, since));
      }
    });
    this.#work(account, open);
  }

  /** Takes nothing new; `done` when what was begun is finished. */
  release(done: () => void): void {
    this.#onReleased = done;
    this.#checkReleased();
  }

  drop(): void {
    this.#dropped = true;
    for (const open of this.#accounts.values()) for (const { answer } of open.queue) answer('elsewhere');
    this.#accounts.clear();
  }

  #isOpen(): boolean {
    return !this.#dropped && this.#onReleased === undefined && this.#mayServe();
  }

  #mayServe(): boolean {
    return this.#node.mayServe(this.shard, this.epoch);
  }

  #open(account: number): OpenAccount {
    let open = this.#accounts.get(account);
    if (open === undefined) {
      open = { state: undefined, isBusy: false, queue: [], readers: [] };
      this.#accounts.set(account, open);
    }
    return open;
  }

  #work(account: number, open: OpenAccount): void {
    if (open.isBusy || this.#dropped) return;
    if (open.state === undefined) {
      this.#load(account, open);
      return;
    }
    for (const read of open.readers.splice(0)) read();
    if (open.queue.length > 0) this.#commit(account, open, open.state);
    else this.#checkReleased();
  }

  #load(account: number, open: OpenAccount): void {
    open.isBusy = true;
    const { engine } = this.#node;
    this.#node.ask(
      () => copyAccount(engine.account(account)),
      (rows) => {
        open.isBusy = false;
        if (this.#dropped) return;
        if (rows !== 'unknown') open.state = rows;
        else this.#fail(open, 'again');
        if (open.queue.length > 0 || open.readers.length > 0 || rows !== 'unknown') this.#work(account, open);
        else this.#checkReleased();
      },
    );
  }

  #commit(account: number, open: OpenAccount, state: AccountRows): void {
    if (!this.#mayServe()) {
      this.#fail(open, 'elsewhere');
      return;
    }
    const group = open.queue;
    open.queue = [];
    const draft = new MailDraft(state);
    const uids = group.map(({ mutation }) => draft.decide(mutation));
    const { writes } = draft;
    const settle = (answer: (index: number) => MutationAnswer): void => {
      open.isBusy = false;
      for (const [index, waiting] of group.entries()) waiting.answer(answer(index));
      if (!this.#dropped) this.#work(account, open);
    };
    if (writes.length === 0) {
      settle((index) => ({ uid: uids[index]! }));
      return;
    }
    open.isBusy = true;
    const commit = { account, shard: this.shard, epoch: this.epoch, writer: this.#node.self, writes };
    this.#node.ask(
      () => this.#node.engine.commitMail(commit),
      (outcome) => {
        if (outcome === 'committed') {
          for (const write of writes) applyWrite(state, write);
          settle((index) => ({ uid: uids[index]! }));
          return;
        }
        open.state = undefined;
        settle(() => (outcome === 'unknown' ? 'again' : 'elsewhere'));
        if (outcome === 'fenced') this.#node.fenced(this.shard, this.epoch);
      },
    );
  }

  #fail(open: OpenAccount, answer: 'again' | 'elsewhere'): void {
    for (const waiting of open.queue.splice(0)) waiting.answer(answer);
    for (const read of open.readers.splice(0)) read();
    this.#checkReleased();
  }

  #checkReleased(): void {
    if (this.#onReleased === undefined) return;
    for (const { isBusy, queue } of this.#accounts.values()) if (isBusy || queue.length > 0) return;
    const done = this.#onReleased;
    this.#onReleased = () => undefined;
    this.#accounts.clear();
    done();
  }
}
