// A maildrop lock (RFC 1939 section 4) that follows its account: held by the host while this session's stream, or this
// node's shard, lasts; after a hand-over taken again at the new host.
// Invariant: once another session has it, this one never gets it back: that session may have changed what ours has seen.
// Fails with inUse for good, with `unavailable` for now.

import { isMailError, type MailError } from '../mail/mail-error.ts';
import { LinkFailure } from './links/link-failure.ts';
import { isSamePlace, type ShardPlace } from './location.ts';
import { accountMethods } from './remote-account-methods.ts';
import type { AccountRouting, Attempt, RoutedTo } from './remote-account-routing.ts';

/** At one host. */
interface HeldLock {
  readonly place: ShardPlace;
  release(): Promise<void>;
}

export class RemoteAccountLock {
  readonly #routing: AccountRouting;
  readonly #account: RoutedTo;
  #held: HeldLock | undefined;
  #taking: Promise<void> | undefined;
  #refusal: MailError | undefined;
  #released = false;

  constructor(routing: AccountRouting, account: RoutedTo) {
    this.#routing = routing;
    this.#account = account;
  }

  /** Resolves when the lock is held wherever the account is. */
  async ensure(): Promise<void> {
    const { answerMs } = accountMethods.quota;
    await this.#routing.attempt(this.#account.shard, answerMs, (attempt) => this.ensureAt(attempt));
  }

  /** Resolves when the lock is held where a change is about to go: word of a loss may still be on its way here. */
  async ensureAt(attempt: Attempt): Promise<void> {
    while (!this.#released) {
      if (this.#refusal !== undefined) throw this.#refusal;
      if (this.#held !== undefined && isSamePlace(this.#held.place, attempt.place)) return;
      if (this.#taking !== undefined) await this.#taking.catch(() => {});
      else {
        this.#taking = this.#take(attempt).finally(() => {
          this.#taking = undefined;
        });
        await this.#taking;
      }
    }
  }

  async release(): Promise<void> {
    this.#released = true;
    await this.#taking?.catch(() => {});
    const held = this.#held;
    this.#held = undefined;
    await held?.release();
  }

  async #take(attempt: Attempt): Promise<void> {
    const before = this.#held;
    this.#held = undefined;
    void before?.release();
    try {
      this.#held = await this.#takeAt(attempt);
    } catch (error) {
      if (isMailError(error, 'inUse')) this.#refusal = error;
      throw error;
    }
  }

  async #takeAt({ place, isLocal, timeoutMs }: Attempt): Promise<HeldLock> {
    const { accountId } = this.#account;
    if (isLocal) {
      const lock = await this.#routing.hosted.lock(accountId, () => this.#lost());
      return { place, release: async () => lock[Symbol.asyncDispose]() };
    }
    const taken = Promise.withResolvers<void>();
    taken.promise.catch(() => {}); // may be refused before anybody waits for it
    const stream = await this.#routing.hold(
      place,
      { to: this.#account, method: 'lockMaildrop', given: undefined },
      {
        said: () => taken.resolve(),
        ended: (error) => {
          taken.reject(error ?? new LinkFailure('the lock ended'));
          this.#lost();
        },
      },
    );
    const giveUp = (): void => {
      taken.reject(new LinkFailure('no answer to the lock'));
      void stream.end();
    };
    const timer = this.#routing.clock.after(timeoutMs, giveUp);
    try {
      await taken.promise;
    } finally {
      timer.cancel();
    }
    return { place, release: () => stream.end() };
  }

  /** The host is gone: takes the lock at the next one, soon, before somebody else does. */
  #lost(): void {
    if (this.#held === undefined || this.#released) return;
    this.#held = undefined;
    this.ensure().catch((error: unknown) => {
      const { accountId } = this.#account;
      this.#routing.log.info({ err: error, account: accountId }, 'a maildrop lock was lost in a hand-over');
    });
  }
}
