// A watch that follows its account: subscribed at whichever node hosts it, again after each hand-over.
// Invariant: no change stays unannounced: every subscription begins with what happened after the last event that the
// listener was told of, as the new host's state shows it; the first one with an event that says: look at everything.
// Never fails: while nobody hosts the account there is nothing to tell. `closed` is told once, when the account is gone
// or its sessions are ended.

import type { AccountEvent } from '../account/port.ts';
import type { ModSeq } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import { LinkFailure } from './links/link-failure.ts';
import type { ShardPlace } from './location.ts';
import { parseEvents } from './remote-account-methods.ts';
import { type AccountRouting, isLost, type RoutedTo } from './remote-account-routing.ts';

/** Between tries while nobody hosts the account: events cost delay, calls have their own pace. */
const pauseMsMin = 10;
const pauseMsMax = 1_000;

/** The result ends it. */
export function watchRemoteAccount(
  routing: AccountRouting,
  account: RoutedTo,
  listener: (event: AccountEvent) => void,
): () => void {
  const watch = new RemoteAccountWatch(routing, account, listener);
  void watch.run();
  const ended = routing.watched(account.accountId);
  return () => {
    watch.end();
    ended();
  };
}

/** There is nothing (any more) that the session could watch: the account, or the right to. */
function isOver(error: unknown): boolean {
  return (
    isMailError(error, 'noSuchAccount') ||
    isMailError(error, 'accountDisabled') ||
    isMailError(error, 'authenticationFailed')
  );
}

class RemoteAccountWatch {
  readonly #routing: AccountRouting;
  readonly #account: RoutedTo;
  readonly #listener: (event: AccountEvent) => void;
  #since: ModSeq | undefined;
  #isOver = false;
  /** Of the subscription there is. */
  #unsubscribe: (() => void) | undefined;

  constructor(routing: AccountRouting, account: RoutedTo, listener: (event: AccountEvent) => void) {
    this.#routing = routing;
    this.#account = account;
    this.#listener = listener;
  }

  end(): void {
    this.#isOver = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { shard, accountId } = this.#account;
    let pauseMs = pauseMsMin;
    while (!this.#isOver && !this.#routing.isClosed) {
      const found = this.#routing.placeOf(shard);
      const before = this.#since;
      try {
        if (found?.isLocal) await this.#watchHere();
        else if (found !== undefined) await this.#watchThere(found.place);
      } catch (error) {
        if (isOver(error)) this.#tell({ type: 'closed' });
        else if (!isLost(error)) {
          this.#routing.log.warn({ err: error, account: accountId }, 'an account cannot be watched just now');
        }
      }
      if (this.#isOver) return;
      pauseMs = this.#since === before ? Math.min(2 * pauseMs, pauseMsMax) : pauseMsMin;
      await this.#routing.whenMoved(shard, found?.place, pauseMs);
    }
  }

  /** Resolves when the account has left this node, or the watch is over. */
  async #watchHere(): Promise<void> {
    const left = Promise.withResolvers<void>();
    const stop = await this.#routing.hosted.watch(this.#account.accountId, {
      since: this.#since,
      told: (events) => this.#told(events),
      moved: left.resolve,
    });
    await this.#until(left.promise, () => {
      stop();
      left.resolve();
    });
  }

  /** Rejects when the node is lost or does not host the account any more. */
  async #watchThere(place: ShardPlace): Promise<void> {
    const left = Promise.withResolvers<void>();
    // It may be lost before anybody waits for it.
    left.promise.catch(() => {});
    const stream = await this.#routing.hold(
      place,
      { accountId: this.#account.accountId, method: 'watch', given: this.#since },
      {
        said: (value) => {
          try {
            this.#told(parseEvents(value) as AccountEvent[]);
          } catch (error) {
            left.reject(error);
          }
        },
        ended: (error) => left.reject(error ?? new LinkFailure('the watch ended')),
      },
    );
    await this.#until(left.promise, () => {
      void stream.end();
      left.resolve();
    });
  }

  async #until(left: Promise<void>, unsubscribe: () => void): Promise<void> {
    if (this.#isOver) unsubscribe();
    else this.#unsubscribe = unsubscribe;
    try {
      await left;
    } finally {
      if (this.#unsubscribe === unsubscribe) this.#unsubscribe = undefined;
      unsubscribe();
    }
  }

  #told(events: readonly AccountEvent[]): void {
    for (const event of events) {
      if (event.type !== 'closed') this.#since = event.modSeq;
      this.#tell(event);
    }
  }

  #tell(event: AccountEvent): void {
    if (this.#isOver) return;
    if (event.type === 'closed') this.end();
    try {
      this.#listener(event);
    } catch (error) {
      this.#routing.log.error({ err: error, account: this.#account.accountId }, 'a watcher failed');
    }
  }
}
