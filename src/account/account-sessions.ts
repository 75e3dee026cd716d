// What an account's sessions share on its host: who watches it, and who has its maildrop.
// Invariants: every listener hears of every event, whatever the others do; the maildrop has one session at most.
// Failures: a listener that throws is logged, and the rest are told.

import type { Logger } from '../base/log.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { AccountEvent } from './port.ts';
import { isSomebodyElses } from './records/annotation-record.ts';

export class AccountSessions {
  readonly #accountId: AccountId;
  readonly #log: Logger;
  readonly #ended: () => void;
  readonly #listeners = new Set<(event: AccountEvent) => void>();
  #maildropLocked = false;

  /** `ended`: nobody is left. */
  constructor(options: { readonly accountId: AccountId; readonly log: Logger; readonly ended: () => void }) {
    this.#accountId = options.accountId;
    this.#log = options.log;
    this.#ended = options.ended;
  }

  /** Somebody watches, or has the maildrop. */
  get any(): boolean {
    return this.#listeners.size > 0 || this.#maildropLocked;
  }

  watch(listener: (event: AccountEvent) => void): () => void {
    // Its own function: the same listener may watch twice.
    const own = (event: AccountEvent): void => {
      if (event.type !== 'annotations' || !event.names.every(isSomebodyElses)) listener(event);
    };
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
      if (!this.any) this.#ended();
    };
  }

  tell(event: AccountEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.watcherFailed(error);
      }
    }
  }

  /** It must not keep others from hearing of what happened. */
  watcherFailed(error: unknown): void {
    this.#log.error({ err: error, account: this.#accountId }, 'a watcher failed');
  }

  lockMaildrop(): AsyncDisposable {
    if (this.#maildropLocked) throw new MailError('inUse', 'another session has the maildrop');
    this.#maildropLocked = true;
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (held) this.#maildropLocked = false;
        held = false;
      },
    };
  }

  /** Tells all that it is over, and forgets them. The maildrop stays with whom it is until released. */
  end(): void {
    this.tell({ type: 'closed' });
    this.#listeners.clear();
  }
}
