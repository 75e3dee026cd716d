// Sessions that end because their account, or the domain it is of, may do less than when they began: noted in the same batch, until
// whoever ends them has been told with success. What fails is told again after a while, and at the next start, so that a process
// that dies between the two leaves nothing open. A domain has one note, however many accounts: it says how far the telling came.
// Invariants: a note is taken away only if it is the one that was there before the telling; of all notes together only a few
// accounts are told at once; one timer at the most, none once it is closed.
// Failures are logged, and the note stays: the change itself is durable.

import type { Timer } from '../base/clock.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Batch, Bytes, Entry } from '../storage/engine.ts';
import { unlessDamaged } from '../storage/record.ts';
import { type AccountNote, accountNotes, type DirectoryHooks } from './hooks.ts';
import { addressOfKey, decodeAddress, decodeEndingDomain, keys, put } from './rows.ts';
import { type DirectoryStore, unchanged } from './store.ts';

/** Accounts that are told at once: a page of a listing, and so many calls to other nodes that may be under way. */
const toldAtOnceMax = 100;
/** Until what failed is told again, twice as long each time: hosts change within seconds, a node may be away for long. */
const pauseMsMin = 1_000;
const pauseMsMax = 5 * 60_000;

/** `sessions`: of the account's secret, another one each time. */
export function endedSessionsNote(id: AccountId, sessions: string): Entry {
  return put(keys.ending(id), 'address', { account: id, sessions });
}

/** Of all accounts of a domain; `sessions` is the domain's. */
export function endedDomainNote(name: string, sessions: string): Entry {
  return put(keys.endingDomain(name), 'domain', { name, sessions });
}

export class EndedSessions implements AsyncDisposable {
  readonly #store: DirectoryStore;
  readonly #hooks: DirectoryHooks;
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;
  #pauseMs = pauseMsMin;
  #timer: Timer | undefined;
  /** Under way. */
  #rounds: Promise<void> | undefined;
  /** There is a note that the round under way may have passed by. */
  #isWanted = false;
  /** Something could not be told since the last round began. */
  #isLeft = false;

  constructor(store: DirectoryStore, hooks: DirectoryHooks) {
    this.#store = store;
    this.#hooks = hooks;
  }

  /** When the note of an account is durable. `tell` says whether it succeeded. */
  async tell(id: AccountId, tell: () => Promise<boolean>): Promise<void> {
    const key = keys.ending(id);
    try {
      const value = await this.#store.engine.get(key);
      if (!(await tell())) this.#later();
      else if (value !== undefined) await this.#told({ id, key, value });
    } catch (error) {
      this.#store.log.warn({ err: error, accountId: id }, 'what sessions are to end could not be read');
      this.#later();
    }
  }

  /** Tells of everything that is noted, in the background: when a domain's note is durable, and at a start. */
  tellAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isWanted = true;
    if (!this.#isClosed) this.#rounds ??= this.#run();
  }

  /** Resolves when nothing is being told in the background. */
  async settled(): Promise<void> {
    await this.#rounds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#closed.resolve();
    await this.#rounds;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      this.#isWanted = false;
      this.#isLeft = false;
      try {
        await this.#tellAccounts();
        await this.#tellDomains();
      } catch (error) {
        this.#isLeft = true;
        this.#store.log.warn({ err: error }, 'which sessions are to end could not be read or noted');
      }
    }
    this.#rounds = undefined;
    if (this.#isLeft) this.#later();
    else this.#pauseMs = pauseMsMin;
  }

  #later(): void {
    this.#isLeft = true;
    if (this.#isClosed || this.#timer !== undefined || this.#rounds !== undefined) return;
    this.#timer = this.#store.clock.after(this.#pauseMs, () => this.tellAll());
    this.#pauseMs = Math.min(2 * this.#pauseMs, pauseMsMax);
  }

  async #tellAccounts(): Promise<void> {
    for await (const notes of accountNotes(this.#store, keys.endings(), toldAtOnceMax)) {
      const failed = new Set(await this.#end(notes.map(({ id }) => id)));
      if (this.#isClosed) return;
      await Promise.all(notes.map((note) => (failed.has(note.id) ? undefined : this.#told(note))));
    }
  }

  async #tellDomains(): Promise<void> {
    const { engine } = this.#store;
    const range = keys.endingDomains();
    for (let start: Bytes | undefined = range.start; start !== undefined && !this.#isClosed; ) {
      const page = await engine.page({ start, end: range.end }, { entriesMax: 100, bytesMax: 1024 * 1024 });
      for (const { key } of page.entries) await this.#tellDomain(key);
      start = page.next;
    }
  }

  /** A page of accounts after the other. The note says behind which account; those that could not be told get their own. */
  async #tellDomain(key: Bytes): Promise<void> {
    const store = this.#store;
    for (;;) {
      const note = await store.row(key, (bytes) => unlessDamaged(() => decodeEndingDomain(bytes)));
      if (note.value === undefined) return;
      const { name, sessions, told } = note.value;
      const after = told === undefined ? undefined : keys.login(told);
      const decode = (bytes: Bytes) => unlessDamaged(() => decodeAddress(bytes));
      const page = await store.list(keys.logins(name), { after, limit: toldAtOnceMax }, decode);
      const failed = await this.#end(
        page.items.flatMap((row) => (row !== undefined && 'account' in row ? [row.account] : [])),
      );
      if (this.#isClosed) return;
      const puts = failed.map((id) => endedSessionsNote(id, sessions));
      const last = page.hasMore ? page.last : undefined;
      if (last !== undefined) puts.push(put(key, 'domain', { ...note.value, told: addressOfKey(last) }));
      const batch: Batch = { conditions: unchanged(note), puts, deletes: last === undefined ? [key] : [] };
      // When the domain was disabled anew meanwhile, all of it begins anew.
      await store.engine.commit(batch);
      await store.clock.yieldTurn();
    }
  }

  /** Tells of sessions of these; gives those that could not be told, which is logged once for all. */
  async #end(accounts: readonly AccountId[]): Promise<readonly AccountId[]> {
    const telling = Promise.allSettled(accounts.map(async (id) => this.#hooks.onSessionsEnded?.(id)));
    const outcomes = await Promise.race([telling, this.#closed.promise]);
    if (outcomes === undefined) return accounts;
    const failed = accounts.filter((_id, index) => outcomes[index]?.status === 'rejected');
    if (failed.length === 0) return failed;
    this.#isLeft = true;
    const err = outcomes.find((outcome) => outcome.status === 'rejected')?.reason as unknown;
    const about = { err, accountId: failed[0], accounts: failed.length };
    this.#store.log.warn(about, 'sessions could not be ended yet; it is tried again');
    return failed;
  }

  async #told({ id, key, value }: AccountNote): Promise<void> {
    try {
      await this.#store.engine.commit({ conditions: [{ key, expected: value }], deletes: [key] });
    } catch (error) {
      this.#store.log.warn({ err: error, accountId: id }, 'that sessions were ended could not be noted');
      this.#later();
    }
  }
}
