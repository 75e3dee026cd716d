// The way to an account, wherever it is hosted.
// Each call looks for the account's place, goes there (this node without a copy, others over a link), and when the
// owner is lost, silent or says that it is not the owner, asks for the place again and goes on, within the deadline.
//
// Invariant: a mutation is tried again under its own operation id, so it is applied once; nothing else changes accounts.
// Fails as the account port does; with `unavailable` when nobody hosts the account for longer than patience lasts.

import type { Delivery } from '../account/delivery.ts';
import type { StoredMessages } from '../account/reading/stored-messages.ts';
import { shardOf } from '../account/shard.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { AccountId, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { accountServiceName } from './account-service.ts';
import { ChangesMadeHere } from './changes-made-here.ts';
import type { HostedAccounts } from './hosted-accounts.ts';
import type { HeldStream, HeldStreamOptions } from './links/calling-link.ts';
import { LinkFailure, NotHostedHere } from './links/link-failure.ts';
import type { LinkPool } from './links/link-pool.ts';
import type { LinkRequest } from './links/link-request.ts';
import { isSamePlace, type ShardLocator, type ShardPlace } from './location.ts';
import {
  type AccountMethod,
  accountMethods,
  formatAccountRequest,
  parseResult,
} from './remote-account-methods.ts';
import { parseNodeSessions } from './remote-account-watch-protocol.ts';
import { deliverMethod, formatDelivery } from './remote-delivery.ts';
import type { NodeSessions } from './session-census.ts';

export interface AccountRoutingOptions {
  readonly locator: ShardLocator;
  readonly pool: LinkPool;
  /** The accounts of this node; undefined on a node that hosts none. */
  readonly hosted: HostedAccounts | undefined;
  /** Of a node for which the store is as near as for the host: it reads messages itself. */
  readonly stored?: StoredMessages | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** The session grant for an account: what a node of the outer zone shows for each call. */
  readonly grantOf?: (accountId: AccountId) => Uint8Array | undefined;
  /** A session of the account begins to live here; the result is called when it ends. */
  readonly watched?: (accountId: AccountId) => () => void;
  /** How long an account may be without a host before calls fail: longer than a lease and a hand-over take. */
  readonly patienceMs?: number;
}

export interface Attempt {
  readonly place: ShardPlace;
  readonly isLocal: boolean;
  readonly timeoutMs: number;
  /** The account is known to be elsewhere: its old host, if it is silent, is not waited for. */
  readonly isStale: () => boolean;
}

const patienceMsDefault = 30_000;
/** Between two tries when nothing is heard of a new place: a hand-over takes some milliseconds, a restart seconds. */
const pauseMsMin = 10;
const pauseMsMax = 500;

/** People wait for it, and know without it where the account is. */
const countMsMax = 2_000;

/** Whose account, and the shard it is in. */
export interface RoutedTo {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  /** As in AccountPorts.open. */
  readonly actor?: AccountId | undefined;
}

export type ManagingMethod = 'open' | 'endSessions' | 'remove';

export interface RoutedCall {
  readonly method: AccountMethod;
  readonly given: readonly unknown[];
  /** What must be so at the place before the call goes there. */
  readonly ready?: ((attempt: Attempt) => Promise<void>) | undefined;
}

/** True when another try, perhaps elsewhere, may succeed. */
export function isLost(error: unknown): boolean {
  return error instanceof NotHostedHere || error instanceof LinkFailure;
}

export class AccountRouting {
  readonly changes = new ChangesMadeHere();
  readonly #options: AccountRoutingOptions;
  #closed = false;

  constructor(options: AccountRoutingOptions) {
    this.#options = options;
  }

  get self(): NodeId {
    return this.#options.locator.self;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get log(): Logger {
    return this.#options.log;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** What is not of the port: refuses what AccountPorts.open refuses. */
  manage(to: RoutedTo, method: ManagingMethod): Promise<void> {
    const { accountId, shard, actor } = to;
    return this.attempt(shard, accountMethods.deleteMailbox.answerMs, async (attempt) => {
      if (!attempt.isLocal) {
        await this.#options.pool.call(attempt.place, this.#request(to, method, undefined), attempt);
      } else if (method === 'open') await this.hosted.check(accountId, actor);
      else await this.hosted[method](accountId);
    });
  }

  /** A message for the account, from a node that needs to know no more of it. */
  async deliver(accountId: AccountId, delivery: Delivery): Promise<void> {
    const given = formatDelivery(delivery);
    const shard = shardOf(accountId);
    await this.attempt(shard, accountMethods.append.answerMs, async (attempt) => {
      if (attempt.isLocal) return this.hosted.deliver(accountId, delivery);
      const request = { service: accountServiceName, method: deliverMethod, grant: undefined };
      await this.#options.pool.call(attempt.place, { ...request, arguments: [accountId, given] }, attempt);
    });
  }

  /** Sessions that the account has, as its host knows them. */
  countSessions(to: RoutedTo): Promise<NodeSessions[]> {
    const { accountId, shard } = to;
    return this.attempt(shard, countMsMax, async (attempt) => {
      if (attempt.isLocal) return this.hosted.countSessions(accountId);
      const request = this.#request(to, 'countSessions', undefined);
      return parseNodeSessions(await this.#options.pool.call(attempt.place, request, attempt));
    });
  }

  /** Answers the host that asked on a watch. */
  async tellSessions(
    place: ShardPlace,
    to: RoutedTo,
    told: { readonly question: number; readonly count: number },
  ): Promise<void> {
    const request = this.#request(to, 'tellSessions', told);
    await this.#options.pool.call(place, request, { timeoutMs: countMsMax });
  }

  /** What reads the messages of a shard that is hosted elsewhere, when they need not be sent for. */
  storedOf(shard: ShardId): StoredMessages | undefined {
    const { stored } = this.#options;
    return stored !== undefined && this.placeOf(shard)?.isLocal !== true ? stored : undefined;
  }

  /** See `watched` of the options. */
  watched({ accountId, actor }: RoutedTo): () => void {
    return this.#options.watched?.(actor ?? accountId) ?? (() => {});
  }

  /** Calls that wait for a host fail from now on. */
  close(): void {
    this.#closed = true;
  }

  get hosted(): HostedAccounts {
    const { hosted } = this.#options;
    if (hosted === undefined) throw new NotHostedHere('this node hosts no accounts');
    return hosted;
  }

  call(to: RoutedTo, { method, given, ready }: RoutedCall): Promise<unknown> {
    const { accountId, shard, actor } = to;
    const { answerMs, answerBytes } = accountMethods[method];
    const request = (): LinkRequest => ({
      ...this.#request(to, method, given),
      answerBytes: answerBytes?.(given) ?? 0,
    });
    return this.attempt(shard, answerMs, async (attempt) => {
      if (ready !== undefined) await ready(attempt);
      const result = attempt.isLocal
        ? await this.hosted.call(accountId, { method, given, actor })
        : parseResult(method, await this.#options.pool.call(attempt.place, request(), attempt));
      this.changes.called(to, { method, given, result });
      return result;
    });
  }

  hold(
    place: ShardPlace,
    { to, method, given }: { to: RoutedTo; method: string; given: unknown },
    options: HeldStreamOptions,
  ): Promise<HeldStream> {
    return this.#options.pool.hold(place, this.#request(to, method, given), options);
  }

  /** Where the account is; undefined: nobody hosts it now. */
  placeOf(shard: ShardId): { readonly place: ShardPlace; readonly isLocal: boolean } | undefined {
    const place = this.#options.locator.placeOf(shard);
    return place && { place, isLocal: place.node === this.#options.locator.self };
  }

  whenMoved(shard: ShardId, seen: ShardPlace | undefined, waitMs: number): Promise<void> {
    return this.#options.locator.whenMoved(shard, seen, waitMs);
  }

  /** Tries at the account's place until it works, or the error is one that a try elsewhere does not help. */
  async attempt<T>(shard: ShardId, answerMs: number, perform: (attempt: Attempt) => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + answerMs;
    let lostAt: number | undefined;
    let pauseMs = pauseMsMin;
    for (let before: ShardPlace | undefined; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax)) {
      const found = this.placeOf(shard);
      // A new host may hear of it later than we: it is asked again as soon as the one before was at first.
      if (!isSamePlace(found?.place, before)) pauseMs = pauseMsMin;
      before = found?.place;
      let failure: unknown;
      try {
        if (found !== undefined) {
          const isStale = (): boolean => !isSamePlace(this.#options.locator.placeOf(shard), found.place);
          const timeoutMs = Math.max(1, deadline - clock.monotonic());
          return await perform({ ...found, timeoutMs, isStale });
        }
      } catch (error) {
        if (!isLost(error)) throw error;
        failure = error;
      }
      const now = clock.monotonic();
      lostAt ??= now;
      const leftMs = Math.min(deadline, lostAt + (this.#options.patienceMs ?? patienceMsDefault)) - now;
      if (leftMs <= 0 || this.#closed) {
        throw new MailError('unavailable', 'the account is not hosted anywhere', { cause: failure });
      }
      await this.whenMoved(shard, found?.place, Math.min(pauseMs, leftMs));
    }
  }

  /** The grant is that of whoever acts. */
  #request({ accountId, actor }: RoutedTo, method: string, given: unknown): LinkRequest {
    const grant = this.#options.grantOf?.(actor ?? accountId);
    const request = formatAccountRequest({ accountId, given, actor });
    return { service: accountServiceName, method, grant, arguments: request };
  }
}
