// A load on a whole cluster while things are done to it: mail comes in through all nodes, every account is changed and
// watched through all nodes, all the time. At the end it proves that the cluster kept its word (mail-ledger.ts) and that
// every watcher's view is exactly what a new session sees.

import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, systemRandom } from '../../src/base/random.ts';
import { type Entrance, freshSeen } from './client-sessions.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import {
  changeAlways,
  deliverAlways,
  type Surroundings,
  type Trouble,
  type Watched,
  watchAlways,
} from './load-clients.ts';
import { MailLedger } from './mail-ledger.ts';
import { NodeProcess } from './node-process.ts';

interface Fault {
  readonly what: string;
  readonly at: number;
  /** Users to their first success of something asked after the fault, milliseconds. */
  readonly successes: Map<string, number>;
}

export class ClusterLoad implements Disposable {
  readonly ledger = new MailLedger(systemRandom.identifier(8));
  readonly troubles: Trouble[] = [];
  readonly #cluster: ClusterProcesses;
  readonly #random: Random;
  readonly #users: readonly string[];
  readonly #faults: Fault[] = [];
  readonly #ended: Promise<void>[] = [];
  readonly #watched: Promise<Watched>[] = [];
  readonly #settled = Promise.withResolvers<void>();
  /** Rejects when a client fails. */
  readonly #failed = Promise.withResolvers<never>();
  #isStopping = false;

  constructor(cluster: ClusterProcesses, random: Random, users = cluster.users) {
    this.#cluster = cluster;
    this.#random = random;
    this.#users = users;
    this.#failed.promise.catch(() => {});
  }

  /** Clients go to any node that is up, or to one of these: nodes, a balancer. Resolves when all of them work. */
  async start(entrances?: readonly Entrance[]): Promise<void> {
    this.#begin(entrances);
    await this.fault('start of the load', async () => {});
    await this.untilAllWork();
  }

  #begin(entrances: readonly Entrance[] | undefined): void {
    const users = this.#users;
    // A node that is down is passed over; a balancer does that itself.
    const isUp = (entrance: Entrance): boolean => !(entrance instanceof NodeProcess) || entrance.takesMail;
    const load: Surroundings = {
      ledger: this.ledger,
      random: this.#random,
      isStopping: () => this.#isStopping,
      chooseNode: () => {
        const up = (entrances ?? this.#cluster.nodes).filter(isUp);
        return up[this.#random.integer(Math.max(1, up.length))];
      },
      worked: (user, askedAt) => this.#worked(user, askedAt),
      troubled: (trouble) => this.troubles.push(trouble),
    };
    for (const listener of ['lmtp', 'lmtp', 'mx'] as const)
      this.#ended.push(deliverAlways(load, users, listener));
    for (const user of users) {
      this.#ended.push(changeAlways(load, user));
      this.#watched.push(watchAlways(load, user, () => this.#settled.promise));
    }
    for (const client of [...this.#ended, ...this.#watched]) client.catch(this.#failed.reject);
  }

  /** Waits while the load goes on; rejects at once when a client fails. */
  async during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise]);
  }

  /** As `during`: a fault, from which the time to each account's first success is counted. */
  async fault<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#faults.push({ what, at: systemClock.monotonic(), successes: new Map() });
    return this.during(work());
  }

  /** Nothing failed since there were `since` troubles, but on sessions of this node. */
  assertUntroubled(since = 0, except?: NodeProcess): void {
    const troubles = this.troubles.slice(since).filter(({ node }) => node !== except?.name);
    assert.deepEqual(troubles, [], 'clients saw failures');
  }

  /** Every user's account has worked since the last fault: something asked after it was answered. */
  async untilAllWork(): Promise<void> {
    const last = this.#faults.at(-1);
    const deadline = systemClock.monotonic() + allWorkMsMax;
    while (last !== undefined && last.successes.size < this.#users.length) {
      const missing = this.#users.filter((user) => !last.successes.has(user));
      assert.ok(
        systemClock.monotonic() < deadline,
        `after ${last.what} nothing works for ${missing.join(', ')}`,
      );
      await this.during(systemClock.sleep(20));
    }
  }

  /** So many more messages have been acknowledged: something is under way everywhere. */
  async untilAcknowledged(more: number): Promise<void> {
    const wanted = this.ledger.acknowledged + more;
    const deadline = systemClock.monotonic() + allWorkMsMax;
    while (this.ledger.acknowledged < wanted) {
      assert.ok(systemClock.monotonic() < deadline, 'nothing is acknowledged any more');
      await this.during(systemClock.sleep(20));
    }
  }

  /** Stops the clients and checks everything. */
  async stopAndCheck(): Promise<void> {
    this.#isStopping = true;
    await this.during(Promise.all(this.#ended));
    this.#settled.resolve();
    const watched = await this.during(Promise.all(this.#watched));
    const up = this.#cluster.nodes.filter((each) => each.takesMail);
    for (const { user, view, node } of watched) {
      if (view.length === 0) continue;
      assert.deepEqual(view, await freshSeen(up.find((each) => each !== node)!, user), `the view of ${user}`);
    }
    await this.ledger.check(this.#users, up);
    this.#report();
  }

  /** A test that has failed: the clients end with the nodes. */
  [Symbol.dispose](): void {
    this.#isStopping = true;
    this.#settled.resolve();
  }

  #worked(user: string, askedAt: number): void {
    const now = systemClock.monotonic();
    for (const { at, successes } of this.#faults) {
      if (askedAt >= at && !successes.has(user)) successes.set(user, Math.round(now - at));
    }
  }

  /** Diagnostics: what a client saw of each fault. */
  #report(): void {
    for (const { what, successes } of this.#faults) {
      const times = [...successes.values()].sort((a, b) => a - b);
      const at = (share: number): number | undefined =>
        times[Math.min(times.length - 1, Math.floor(share * times.length))];
      say(`${what}: first success per account p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    }
    const disconnected = this.troubles.filter(({ what }) => what === 'disconnected').length;
    const failed = this.troubles.length - disconnected;
    say(
      `${this.ledger.acknowledged} messages acknowledged, 0 lost, 0 doubled; ${disconnected} disconnects, ${failed} failed commands`,
    );
  }
}

/** Above a lease, a hand-over and whatever a loaded machine adds. */
const allWorkMsMax = 60_000;

function say(text: string): void {
  process.stdout.write(`# ${text}\n`);
}
