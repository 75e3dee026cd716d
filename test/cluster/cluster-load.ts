// A load on a whole cluster while things are done to it: mail comes in through all nodes, every account is changed and
// watched through all nodes, all the time, by raw sessions and by the libraries that applications use. At the end it proves
// that the cluster kept its word (mail-ledger.ts) and that every watcher's view is exactly what a new session sees.

import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, systemRandom } from '../../src/base/random.ts';
import { applyAlways, submitAlways } from './application-clients.ts';
import { type Entrance, freshSeen } from './client-sessions.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import { FaultReport, type LoadFacts } from './fault-report.ts';
import {
  changeAlways,
  deliverAlways,
  type Surroundings,
  type Trouble,
  type Watched,
  watchAlways,
} from './load-clients.ts';
import { MailLedger, senders } from './mail-ledger.ts';
import { NodeProcess } from './node-process.ts';

export interface ClusterLoadOptions {
  /** In the report; with what repeats the test, as its own title. Default: the test's file. */
  readonly title?: string;
  /** Whose accounts; default all of the cluster's. */
  readonly users?: readonly string[];
}

/** Of nodemailer; more of them find nothing more. */
const submitters = 2;
/** Every so many users have an application as well, which costs this process more than a raw session. */
const usersPerApplication = 2;

export class ClusterLoad implements Disposable {
  readonly ledger = new MailLedger(systemRandom.identifier(8));
  readonly troubles: Trouble[] = [];
  readonly #cluster: ClusterProcesses;
  readonly #random: Random;
  readonly #users: readonly string[];
  readonly #title: string;
  readonly #report = new FaultReport();
  readonly #ended: Promise<void>[] = [];
  readonly #watched: Promise<Watched>[] = [];
  readonly #settled = Promise.withResolvers<void>();
  /** Rejects when a client fails. */
  readonly #failed = Promise.withResolvers<never>();
  #isStopping = false;

  constructor(cluster: ClusterProcesses, random: Random, options: ClusterLoadOptions = {}) {
    this.#cluster = cluster;
    this.#random = random;
    this.#users = options.users ?? cluster.users;
    this.#title = options.title ?? basename(process.argv[1] ?? '');
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
      worked: (user, askedAt) => this.#report.worked(user, askedAt),
      troubled: (trouble) => this.troubles.push(trouble),
    };
    for (const listener of ['lmtp', 'lmtp', 'mx'] as const)
      this.#ended.push(deliverAlways(load, users, listener));
    for (const sender of users.slice(0, submitters)) this.#ended.push(submitAlways(load, users, sender));
    const settled = (): Promise<void> => this.#settled.promise;
    for (const [index, user] of users.entries()) {
      this.#ended.push(changeAlways(load, user));
      this.#watched.push(watchAlways(load, user, settled));
      if (index % usersPerApplication === 0) this.#watched.push(applyAlways(load, user, settled));
    }
    for (const client of [...this.#ended, ...this.#watched]) client.catch(this.#failed.reject);
  }

  /** Waits while the load goes on; rejects at once when a client fails. */
  async during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed.promise]);
  }

  /** As `during`: a fault, from which the time to each account's first success is counted. */
  async fault<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#report.begin(what);
    return this.during(work());
  }

  /** Nothing failed since there were `since` troubles, but on sessions of this node. */
  assertUntroubled(since = 0, except?: NodeProcess): void {
    const troubles = this.troubles.slice(since).filter(({ node }) => node !== except?.name);
    assert.deepEqual(troubles, [], 'clients saw failures');
  }

  /** Every user's account has worked since the last fault: something asked after it was answered. */
  async untilAllWork(): Promise<void> {
    const deadline = systemClock.monotonic() + allWorkMsMax;
    for (;;) {
      const waiting = this.#report.waiting(this.#users);
      if (waiting.length === 0) return;
      assert.ok(
        systemClock.monotonic() < deadline,
        `after ${this.#report.last} nothing works for ${waiting.join(', ')}`,
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
    const facts = this.#facts();
    for (const [sender, count] of Object.entries(facts.acknowledged))
      assert.ok(count > 0, `nothing of ${sender} was acknowledged`);
    this.#report.print(facts);
    this.#report.keep(facts);
  }

  /** A test that has failed: the clients end with the nodes. */
  [Symbol.dispose](): void {
    this.#isStopping = true;
    this.#settled.resolve();
  }

  #facts(): LoadFacts {
    const disconnects = this.troubles.filter(({ what }) => what === 'disconnected').length;
    return {
      title: this.#title,
      nodes: this.#cluster.nodes.length,
      acknowledged: Object.fromEntries(senders.map((sender) => [sender, this.ledger.acknowledgedOf(sender)])),
      disconnects,
      failedCommands: this.troubles.length - disconnects,
    };
  }
}

/** Above a lease, a hand-over and whatever a loaded machine adds. */
const allWorkMsMax = 60_000;
