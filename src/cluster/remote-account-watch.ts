// A watch that follows its account: subscribed at whichever node hosts it, again after each hand-over.
// Invariant: no change stays unannounced: every subscription begins with what happened after the last event that the
// listener was told of, as the new host's state shows it; the first one with an event that says: look at everything.
// Never fails: while nobody hosts the account there is nothing to tell. `closed` is told once, when the account is gone
// or its sessions are ended.

import type { AccountEvent, WatchingSessions } from '../account/port.ts';
import type { ModSeq } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import { keyOfEvent } from './account-service.ts';
import type { ChangeMadeHere } from './changes-made-here.ts';
import { LinkFailure } from './links/link-failure.ts';
import type { ShardPlace } from './location.ts';
import { type AccountRouting, isLost, type RoutedTo } from './remote-account-routing.ts';
import { parseEvents, parseQuestion } from './remote-account-watch-protocol.ts';
import { watcherHere } from './session-census.ts';
import { sessionLogin } from './session-epoch.ts';

/** Between tries while nobody hosts the account: events cost delay, calls have their own pace. */
const pauseMsMin = 10;
const pauseMsMax = 1_000;
/** Only those matter whose change is being answered. */
const annotationsRememberedMax = 100;

/** What an account is watched for. */
export interface WatchedFor {
  readonly listener: (event: AccountEvent) => void;
  readonly sessions: WatchingSessions | undefined;
}

/** The result ends it. */
export function watchRemoteAccount(
  routing: AccountRouting,
  account: RoutedTo,
  watchedFor: WatchedFor,
): () => void {
  const watch = new RemoteAccountWatch(routing, account, watchedFor);
  const unwatchHere = routing.changes.watch(account.accountId, (change) => watch.changedHere(change));
  void watch.run();
  const ended = routing.watched(account);
  return () => {
    watch.end();
    unwatchHere();
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
  readonly #sessions: WatchingSessions | undefined;
  #since: ModSeq | undefined;
  /** By keyOfEvent: told before the host's event came, which is then no news. */
  readonly #toldAhead = new Map<string, ModSeq>();
  /**
   * Annotations that the host told, by keyOfEvent: what was missed while the account moved is told without them, so `#since` does
   * not say whether they were.
   */
  readonly #annotationsTold = new Map<string, ModSeq>();
  #isOver = false;
  /** Of the subscription there is. */
  #unsubscribe: (() => void) | undefined;

  constructor(routing: AccountRouting, account: RoutedTo, { listener, sessions }: WatchedFor) {
    this.#routing = routing;
    this.#account = account;
    this.#listener = listener;
    this.#sessions = sessions;
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
      actor: this.#account.actor,
      watcher: this.#sessions && watcherHere(this.#routing.self, this.#sessions),
      login: sessionLogin(this.#sessions),
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
    const { service, epoch } = this.#sessions ?? {};
    const given = { since: this.#since, service, epoch };
    const stream = await this.#routing.hold(
      place,
      { to: this.#account, method: 'watch', given },
      {
        said: (value) => {
          try {
            const question = parseQuestion(value);
            if (question === undefined) this.#told(parseEvents(value) as AccountEvent[]);
            else this.#answer(place, question);
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

  /** The host asks how many sessions this watch is for; an answer that is lost leaves it unknown. */
  #answer(place: ShardPlace, question: number): void {
    const count = this.#sessions?.count() ?? 0;
    this.#routing.tellSessions(place, this.#account, { question, count }).catch((error: unknown) => {
      this.#routing.log.debug({ err: error }, 'the number of sessions could not be told');
    });
  }

  async #until(left: Promise<void>, unsubscribe: () => void): Promise<void> {
    if (this.#isOver) unsubscribe();
    else this.#unsubscribe = unsubscribe;
    try {
      await left;
    } finally {
      if (this.#unsubscribe === unsubscribe) this.#unsubscribe = undefined;
      // Their events are lost, or come with what was missed.
      this.#toldAhead.clear();
      unsubscribe();
    }
  }

  /** `#since` stays: what others did before is still to come. */
  changedHere(change: ChangeMadeHere): void {
    const known = this.#knownOf(change);
    // What of it a guest may know is the host's to say: he is told to look.
    const isGuest = this.#account.actor !== undefined;
    if (change.type === 'closed') this.#tell(change);
    else if (isGuest && change.type === 'annotations') return;
    else if (isGuest || change.type === 'mailboxes') this.#tell({ type: 'mailboxes', modSeq: known });
    else if (change.modSeq > known) {
      this.#toldAhead.set(keyOfEvent(change), change.modSeq);
      this.#tell(change);
    }
  }

  #told(events: readonly AccountEvent[]): void {
    for (const event of events) {
      if (event.type !== 'closed') this.#since = event.modSeq;
      if (event.type === 'annotations') this.#rememberAnnotations(event);
      if (!this.#wasToldAhead(event)) this.#tell(event);
    }
  }

  #knownOf(change: ChangeMadeHere): ModSeq {
    const known = this.#since ?? (0 as ModSeq);
    if (change.type !== 'annotations') return known;
    return this.#annotationsTold.get(keyOfEvent(change)) ?? (0 as ModSeq);
  }

  #rememberAnnotations(event: AccountEvent & { readonly type: 'annotations' }): void {
    // What is forgotten is told twice at the most.
    if (this.#annotationsTold.size >= annotationsRememberedMax) this.#annotationsTold.clear();
    this.#annotationsTold.set(keyOfEvent(event), event.modSeq);
  }

  #wasToldAhead(event: AccountEvent): boolean {
    const ahead = this.#toldAhead.get(keyOfEvent(event));
    if (ahead === undefined || event.type === 'closed') return false;
    if (event.modSeq >= ahead) this.#toldAhead.delete(keyOfEvent(event));
    return event.modSeq <= ahead;
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
