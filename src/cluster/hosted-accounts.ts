// The accounts whose shards this node hosts, for sessions of this node and for those of others (account-service.ts):
// the gate that every call passes, whoever makes it.
//
// Invariants: a call is begun only while its shard is open here and the lease holds, and what a read gave is handed out
// only if that is still so; a shard is released only when what was begun has ended; watches and locks end with it.
// Fails with NotHostedHere, upon which the caller looks for the account elsewhere and tries again.

import type { AccountHosts, ShardLeases } from '../account/account-hosts.ts';
import { type Delivery, deliverInto } from '../account/delivery.ts';
import type { AccountEvent, AccountPort, AccountPorts, MailboxList } from '../account/port.ts';
import { shardOf } from '../account/shard.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import type { AccountId, Epoch, ModSeq, ShardId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { HeldRows } from '../storage/lmdb/held-rows.ts';
import type { ShardHost } from './cluster-member.ts';
import { NotHostedHere } from './links/link-failure.ts';
import { type AccountMethod, accountMethods } from './remote-account-methods.ts';
import { type NodeSessions, SessionCensus, type SessionWatcher } from './session-census.ts';
import { isCurrentSession, type SessionEpochs, type SessionLogin } from './session-epoch.ts';

export interface HostedAccountsOptions {
  /** How accounts are opened at the local hosts; storage is made on first use (located-accounts.ts). */
  readonly accounts: AccountPorts;
  /** Refuses when the lease ran out: nothing is served until it is renewed. */
  readonly leases: ShardLeases;
  readonly log: Logger;
  /** The engine refused a commit under an epoch that is ours as far as we know. */
  readonly fenced?: (shard: ShardId, epoch: Epoch) => void;
  /**
   * A shard was opened here. Whoever hosted it was told of passwords that changed meanwhile (endSessions): what this node
   * remembers of them from before may be old.
   */
  readonly opened?: () => void;
  /** Who reads the rows of a shard itself as long as it is hosted here. */
  readonly held?: Pick<HeldRows, 'hold' | 'letGo'> | undefined;
  /** By it sessions are told apart that were ended while nobody could tell them. Left away: none is. */
  readonly sessionEpochs?: SessionEpochs;
  readonly hosts: Pick<AccountHosts, 'closeShard' | 'endSessions' | 'remove'>;
}

export interface HostedWatch {
  /** What the watcher knows; undefined: nothing yet. */
  readonly since: ModSeq | undefined;
  /** Undefined: no session is behind it. */
  readonly watcher?: SessionWatcher | undefined;
  /** Sessions that could not have begun now are told that the account is closed. Undefined: they are not judged here. */
  readonly login?: SessionLogin | undefined;
  /** As in AccountPorts.open. */
  readonly actor?: AccountId | undefined;
  /** First whatever happened after `since`, then what happens. */
  readonly told: (events: readonly AccountEvent[]) => void;
  /** Once: the account is not hosted here any more. */
  readonly moved: () => void;
}

interface OpenShard {
  readonly epoch: Epoch;
  /** Takes new work. */
  isOpen: boolean;
  /** Begun and not ended. */
  calls: number;
  /** Of watches and locks: end them, the account moves. */
  readonly leaving: Set<() => void>;
  /** Set while the shard is being released: called when nothing is under way. */
  idle: (() => void) | undefined;
  hasLeft: boolean;
}

export interface HostedCall {
  readonly method: AccountMethod;
  readonly given: readonly unknown[];
  /** As in AccountPorts.open. */
  readonly actor: AccountId | undefined;
}

/** What a call works on. */
interface Entered {
  readonly port: AccountPort;
  readonly shard: ShardId;
  readonly open: OpenShard;
}

export class HostedAccounts implements ShardHost {
  /** Who uses the accounts hosted here. */
  readonly sessions = new SessionCensus();
  readonly #options: HostedAccountsOptions;
  readonly #shards = new Map<ShardId, OpenShard>();

  constructor(options: HostedAccountsOptions) {
    this.#options = options;
  }

  /** The shard is ours under this epoch: its accounts may be loaded. */
  onShardOpened(shard: ShardId, epoch: Epoch): void {
    this.onShardDropped(shard);
    this.#options.opened?.();
    const calls = { calls: 0, leaving: new Set<() => void>(), idle: undefined };
    this.#options.held?.hold(shard, epoch);
    this.#shards.set(shard, { epoch, isOpen: true, hasLeft: false, ...calls });
  }

  /** Takes no new work, ends watches and locks; resolves when what was begun has ended and nothing is in memory. */
  async onShardReleasing(shard: ShardId): Promise<void> {
    const open = this.#shards.get(shard);
    if (open === undefined) return;
    open.isOpen = false;
    if (open.calls > 0) {
      await new Promise<void>((resolve) => {
        open.idle = resolve;
      });
    }
    // It may have been dropped meanwhile, and given to us again.
    if (this.#shards.get(shard) === open) await this.#forget(shard, open);
  }

  /** It is somebody else's: what was begun fails by itself, at the fence. */
  onShardDropped(shard: ShardId): void {
    const open = this.#shards.get(shard);
    if (open === undefined) return;
    this.#forget(shard, open).catch((error: unknown) => {
      this.#options.log.error({ err: error, shard }, 'the accounts of a shard could not be closed');
    });
    open.idle?.();
  }

  /** Whether calls for the shard are taken now. */
  serves(shard: ShardId): boolean {
    const open = this.#shards.get(shard);
    return open?.isOpen === true && this.#isLeased(shard, open);
  }

  /** Refuses what AccountPorts.open refuses. */
  async check(accountId: AccountId, actor?: AccountId): Promise<void> {
    await this.#within(accountId, async () => {}, actor);
  }

  /** Ends all sessions of an account, on whichever node they are. */
  async endSessions(accountId: AccountId): Promise<void> {
    this.#enter(accountId);
    this.#options.hosts.endSessions(accountId);
  }

  /** Sessions of an account, on whichever nodes. */
  async countSessions(accountId: AccountId): Promise<NodeSessions[]> {
    this.#enter(accountId);
    return this.sessions.count(accountId);
  }

  /** Removes the account's storage; refuses with noSuchAccount when it is gone. */
  async remove(accountId: AccountId): Promise<void> {
    const { shard, open } = this.#enter(accountId);
    open.calls++;
    try {
      await this.#options.hosts.remove(accountId);
    } catch (error) {
      throw isMailError(error, 'unavailable') && !this.serves(shard)
        ? new NotHostedHere(error.message)
        : error;
    } finally {
      this.#left(open);
    }
  }

  call(accountId: AccountId, { method, given, actor }: HostedCall): Promise<unknown> {
    const work = async ({ port, shard, open }: Entered): Promise<unknown> => {
      const perform = port[method] as (...given: unknown[]) => Promise<unknown>;
      const result = await perform.apply(port, [...given]);
      // Somebody else may have changed the account since; what a mutation did is durable and stays true.
      if (accountMethods[method].isRead && !this.#isOurs(shard, open)) throw new NotHostedHere();
      return result;
    };
    return this.#within(accountId, work, actor);
  }

  /** For somebody who may put a message in and nothing else. */
  deliver(accountId: AccountId, delivery: Delivery): Promise<void> {
    return this.#within(accountId, ({ port }) => deliverInto(port, delivery));
  }

  /** The result ends it. */
  watch(accountId: AccountId, watched: HostedWatch): Promise<() => void> {
    const { since, watcher, login, actor, told, moved } = watched;
    const work = async ({ port, shard, open }: Entered): Promise<() => void> => {
      // What happens before the first answer is ready comes behind it: the watcher's `since` must not run ahead.
      let early: AccountEvent[] | undefined = [];
      let isOver = false;
      const end = (): void => {
        isOver = true;
        open.leaving.delete(leave);
        stop();
        uncount?.();
      };
      const leave = (): void => {
        if (isOver) return;
        end();
        moved();
      };
      const tell = (event: AccountEvent): void => {
        if (isOver) return;
        if (event.type === 'closed') void this.#closed({ port, shard }, { told, leave });
        else if (early !== undefined) early.push(event);
        else told([event]);
      };
      const stop = port.watch(tell);
      const uncount = watcher && this.sessions.join(accountId, watcher);
      onLeaving(open, leave);
      try {
        // Behind `port.watch`: whoever is ended from now on hears of it.
        const isCurrent = await this.#isCurrent(accountId, login);
        const missed = isCurrent ? missedSince(await port.listMailboxes(), since) : [closedEvent];
        if (isOver) throw new NotHostedHere();
        told([...missed, ...early]);
        early = undefined;
      } catch (error) {
        isOver = true;
        end();
        throw error;
      }
      return end;
    };
    return this.#within(accountId, work, actor);
  }

  /** POP3's lock; `lost` is called once when the account leaves this node. */
  lock(accountId: AccountId, lost: () => void): Promise<AsyncDisposable> {
    return this.#within(accountId, async ({ port, open }) => {
      const lock = await port.lockMaildrop();
      let isHeld = true;
      const release = async (): Promise<void> => {
        isHeld = false;
        open.leaving.delete(leave);
        stop();
        await lock[Symbol.asyncDispose]();
      };
      const leave = (): void => {
        if (!isHeld) return;
        void release();
        lost();
      };
      const stop = port.watch((event) => {
        if (event.type === 'closed') leave();
      });
      onLeaving(open, leave);
      if (!isHeld) throw new NotHostedHere();
      return { [Symbol.asyncDispose]: release };
    });
  }

  async #within<T>(
    accountId: AccountId,
    work: (entered: Entered) => Promise<T>,
    actor?: AccountId,
  ): Promise<T> {
    const { shard, open } = this.#enter(accountId);
    let port: AccountPort | undefined;
    open.calls++;
    try {
      port = await this.#options.accounts.open(accountId);
      const acting = actor === undefined ? port : await this.#options.accounts.open(accountId, actor);
      return await work({ port: acting, shard, open });
    } catch (error) {
      if (await this.#isElsewhere(accountId, error, { port, shard, open })) {
        throw new NotHostedHere(error instanceof Error ? error.message : undefined);
      }
      throw error;
    } finally {
      this.#left(open);
    }
  }

  /** Throws NotHostedHere. */
  #enter(accountId: AccountId): Pick<Entered, 'shard' | 'open'> {
    const shard = shardOf(accountId);
    const open = this.#shards.get(shard);
    if (open === undefined || !open.isOpen || !this.#isLeased(shard, open)) throw new NotHostedHere();
    return { shard, open };
  }

  #left(open: OpenShard): void {
    if (--open.calls === 0) open.idle?.();
  }

  /** Whether a call failed because the account is not ours any more. A host that was fenced or closed says `unavailable`. */
  async #isElsewhere(
    accountId: AccountId,
    error: unknown,
    { port, shard, open }: Pick<Entered, 'shard' | 'open'> & { port: AccountPort | undefined },
  ): Promise<boolean> {
    const isRefused = isMailError(error, 'unavailable');
    if (!isRefused && !(error instanceof Fault && error.temporary)) return false;
    if (!this.#isOurs(shard, open)) return true;
    // Refused before there was a host: its limits, or the engine's (a commit that makes the account), not its end.
    if (!isRefused || port === undefined) return false;
    // The engine says it too, when it cannot commit: then the host is the same as before.
    try {
      if ((await this.#options.accounts.open(accountId)) === port) return false;
    } catch {
      return true;
    }
    if (!open.hasLeft) this.#options.fenced?.(shard, open.epoch);
    return true;
  }

  /** The host ended its sessions: because the account is gone or disabled, or because it is hosted elsewhere. */
  async #closed(
    { port, shard }: Pick<Entered, 'port' | 'shard'>,
    { told, leave }: Pick<HostedWatch, 'told'> & { leave: () => void },
  ): Promise<void> {
    if (!this.serves(shard) || (await isRefusedUnavailable(port))) leave();
    else told([closedEvent]);
  }

  async #isCurrent(accountId: AccountId, login: SessionLogin | undefined): Promise<boolean> {
    const { sessionEpochs } = this.#options;
    if (login === undefined || sessionEpochs === undefined) return true;
    return isCurrentSession(sessionEpochs, accountId, login);
  }

  /** Also while it is being released: what is under way ends well. */
  #isOurs(shard: ShardId, open: OpenShard): boolean {
    return !open.hasLeft && this.#isLeased(shard, open);
  }

  #isLeased(shard: ShardId, open: OpenShard): boolean {
    try {
      return this.#options.leases.epochOf(shard) === open.epoch;
    } catch (error) {
      if (isMailError(error, 'unavailable')) return false;
      throw error;
    }
  }

  /** The accounts are out of the hosts' table when this returns, their last work has ended when it resolves. */
  #forget(shard: ShardId, open: OpenShard): Promise<void> {
    this.#options.held?.letGo(shard);
    this.#shards.delete(shard);
    open.isOpen = false;
    open.hasLeft = true;
    const leaving = [...open.leaving];
    open.leaving.clear();
    for (const callback of leaving) callback();
    return this.#options.hosts.closeShard(shard);
  }
}

const closedEvent: AccountEvent = { type: 'closed' };

/** `callback` is called once, when the shard leaves this node; at once when it has. */
function onLeaving(open: OpenShard, callback: () => void): void {
  if (open.hasLeft) callback();
  else open.leaving.add(callback);
}

async function isRefusedUnavailable(port: AccountPort): Promise<boolean> {
  try {
    await port.quota();
    return false;
  } catch (error) {
    return isMailError(error, 'unavailable');
  }
}

/**
 * What a watcher that knows of everything up to `since` has to look at. Who knows more than there is saw commits that the
 * database lost: what his sessions show is not this account.
 */
function missedSince(list: MailboxList, since: ModSeq | undefined): AccountEvent[] {
  if (since === undefined) return [{ type: 'mailboxes', modSeq: list.modSeq }];
  if (list.modSeq < since) return [closedEvent];
  if (list.modSeq === since) return [];
  const events: AccountEvent[] = [];
  for (const { id, highestModSeq } of list.mailboxes) {
    if (highestModSeq > since) events.push({ type: 'mailbox', mailboxId: id, modSeq: highestModSeq });
  }
  return [...events, { type: 'mailboxes', modSeq: list.modSeq }];
}
