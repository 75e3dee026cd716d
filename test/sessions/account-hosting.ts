// Where the accounts of a session test are hosted. The same tests run in three settings, and no client may tell which:
// `local`: in the speaker's own process; `remote`: on another node, across a real link; `moving`: the same, while the
// accounts are handed over at random moments, planned or because their host died.
// SESSION_SETTING chooses, SESSION_SEED repeats the moments. The drivers in test/settings set the first.

import {
  type AccountHosts,
  type AccountHostsOptions,
  openAccountHosts,
} from '../../src/account/account-hosts.ts';
import type { AccountPort, AccountPorts } from '../../src/account/port.ts';
import { shardOf } from '../../src/account/shard.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { makeTestAuthority } from '../../src/cluster/links/testing.ts';
import { TestNodes } from '../../src/cluster/testing-account-nodes.ts';
import type { AccountId, Epoch, ShardId } from '../../src/mail/ids.ts';

export type Setting = 'local' | 'remote' | 'moving';

/** What speakers and tests ask. */
export interface HostedForTests extends AccountPorts {
  endSessions(accountId: AccountId): Promise<void> | void;
}

export interface AccountHosting {
  readonly accounts: HostedForTests;
  create: AccountHosts['create'];
  close(): Promise<void>;
}

type HostingOptions = Pick<AccountHostsOptions, 'engine' | 'blobs' | 'limits' | 'people'>;

export const setting = (process.env.SESSION_SETTING ?? 'local') as Setting;

/** Of the moments at which accounts move; printed by the driver. */
export const settingSeed = Number(process.env.SESSION_SEED ?? systemRandom.integer(2 ** 31));

/** The node of the speakers: it hosts nothing. */
const speaker = 'speaker';
const owners = ['one', 'other'];
/** Certificates take longest to make: one authority serves all tests of a process. */
const authority = setting === 'local' ? undefined : makeTestAuthority();
const random = seededRandom(settingSeed);

/** Of so many calls one meets a hand-over. */
const callsPerMove = 4;
/** How many turns of the event loop after the call has begun: it is under way at any stage, or ended. */
const turnsMax = 12;

export function openAccountHosting(options: HostingOptions): Promise<AccountHosting> {
  switch (setting) {
    case 'local':
      return openLocal(options);
    case 'remote':
    case 'moving':
      return openRemote(options);
  }
}

async function openLocal({ limits = {}, ...storage }: HostingOptions): Promise<AccountHosting> {
  const shards = { epochOf: () => 0 as Epoch };
  const hosts = openAccountHosts({ ...storage, shards, clock: systemClock, log: silentLog, limits });
  return {
    accounts: hosts,
    create: (accountId, quota) => hosts.create(accountId, quota),
    close: () => hosts.close(),
  };
}

async function openRemote({ engine, blobs, limits = {}, people }: HostingOptions): Promise<AccountHosting> {
  const nodes = await TestNodes.open({
    names: [speaker, ...owners],
    storage: { engine, blobs },
    accountLimits: limits,
    ...(people && { people }),
    ...(authority && { authority }),
  });
  const given = new Set<ShardId>();
  const { accounts } = nodes.node(speaker);
  const unrest = setting === 'moving' ? new Unrest(nodes) : undefined;
  return {
    accounts: {
      async open(accountId, actor) {
        const port = await accounts.open(accountId, actor);
        return unrest === undefined ? port : unrest.around(port);
      },
      endSessions: (accountId) => accounts.endSessions(accountId),
    },
    async create(accountId, quota) {
      const shard = shardOf(accountId);
      if (!given.has(shard)) await nodes.give(shard, owners[0]!);
      given.add(shard);
      // Not while it moves: who makes accounts is not what is tried.
      await unrest?.ended();
      await nodes.node(nodes.ownerOf(shard)).hosts.create(accountId, quota);
    },
    async close() {
      await unrest?.ended();
      await nodes[Symbol.asyncDispose]();
    },
  };
}

/** Hands accounts over while they are used. */
class Unrest {
  readonly #nodes: TestNodes;
  /** One at a time. */
  #moving: Promise<void> | undefined;

  constructor(nodes: TestNodes) {
    this.#nodes = nodes;
  }

  /** A port whose calls meet hand-overs. */
  around(port: AccountPort): AccountPort {
    const shard = shardOf(port.accountId);
    return new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]): unknown => {
          if (random.integer(callsPerMove) === 0) this.#begin(shard);
          return member.apply(target, given);
        };
      },
    });
  }

  async ended(): Promise<void> {
    await this.#moving;
  }

  #begin(shard: ShardId): void {
    if (this.#moving !== undefined) return;
    const turns = random.integer(turnsMax);
    const isCrash = random.integer(2) === 0;
    this.#moving = this.#handOver(shard, turns, isCrash).finally(() => {
      this.#moving = undefined;
    });
  }

  async #handOver(shard: ShardId, turns: number, isCrash: boolean): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await systemClock.nextTurn();
    const from = this.#nodes.ownerOf(shard);
    const to = owners.find((name) => name !== from)!;
    if (isCrash) await this.#nodes.crash(from, to);
    else await this.#nodes.move(shard, to);
  }
}
