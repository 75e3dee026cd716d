// What is stored of passwords: an Argon2id hash, a SCRAM verifier, digests of app passwords, in one row an account.
// Invariant: the row's `version` changes with every change of any password, which is what makes remembered
// verifications void. A password itself is in memory only while it is hashed, and never logged.

import { hash, timingSafeEqual } from 'node:crypto';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { opaqueString, preparedBytesMax } from '../wire/sasl/prepare.ts';
import type { DirectoryAccount } from './directory.ts';
import { type EndedSessions, endedSessionsNote } from './ended-sessions.ts';
import { type DirectoryHooks, tellHook } from './hooks.ts';
import type { PasswordHasher } from './password-hash.ts';
import { decodeSecret, keys, put, type SecretRow, type StoredAppPassword } from './rows.ts';
import { makeScramSecret } from './scram-secret.ts';
import { type DirectoryStore, unchanged } from './store.ts';

export class Secrets {
  readonly #store: DirectoryStore;
  readonly #hasher: PasswordHasher;
  readonly #scramIterations: number;
  readonly #hooks: DirectoryHooks;
  readonly #ended: EndedSessions;
  /** Accounts whose row is being brought up to date. */
  readonly #renewing = new Map<AccountId, Promise<void>>();

  constructor(
    store: DirectoryStore,
    hasher: PasswordHasher,
    options: {
      readonly scramIterations: number;
      readonly hooks: DirectoryHooks;
      readonly ended: EndedSessions;
    },
  ) {
    this.#store = store;
    this.#hasher = hasher;
    this.#scramIterations = options.scramIterations;
    this.#hooks = options.hooks;
    this.#ended = options.ended;
  }

  /** A new account's row; `password` undefined: it has none, nobody logs in with one. */
  async make(password: string | undefined): Promise<SecretRow> {
    const hashed = password === undefined ? undefined : await this.#hash(allowed(password));
    return {
      version: this.#store.newVersion(),
      sessions: '',
      passwordHash: hashed?.passwordHash,
      scram: hashed?.scram,
      appPasswords: [],
    };
  }

  async setPassword(id: AccountId, password: string): Promise<void> {
    const hashed = await this.#hash(allowed(password));
    await this.change(id, (row) => ({ ...row, ...hashed, sessions: this.#store.newVersion() }));
    await this.tellChanged(id);
  }

  /** A password stopped being one. */
  async tellChanged(id: AccountId): Promise<void> {
    await this.#ended.tell(id, () =>
      tellHook(this.#store.log, { what: 'password', accountId: id }, () => this.#hooks.onSessionsEnded?.(id)),
    );
  }

  /** Changes the row under a new version. Refuses with noSuchAccount. */
  async change(id: AccountId, change: (row: SecretRow) => SecretRow): Promise<void> {
    await this.#store.change(async () => {
      const row = await this.#store.row(keys.secret(id), decodeSecret);
      if (row.value === undefined) throw new MailError('noSuchAccount', 'there is no such account');
      const secret = { ...change(row.value), version: this.#store.newVersion() };
      const puts = [put(row.key, 'secret', secret)];
      if (secret.sessions !== row.value.sessions) puts.push(endedSessionsNote(id, secret.sessions));
      return { batch: { conditions: unchanged(row), puts }, result: undefined };
    });
  }

  /** Stores a password, prepared, that was just verified with the parameters of today, in the background; one run an account. */
  renew(account: DirectoryAccount, password: string): void {
    if (this.#renewing.has(account.id)) return;
    const run = this.#renew(account.id, password)
      .catch((error: unknown) => {
        this.#store.log.warn(
          { err: error, accountId: account.id },
          'could not renew the stored password hash',
        );
      })
      .finally(() => this.#renewing.delete(account.id));
    this.#renewing.set(account.id, run);
  }

  /** Resolves when no renewal is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#renewing.values());
  }

  async #renew(id: AccountId, password: string): Promise<void> {
    const row = await this.#store.row(keys.secret(id), decodeSecret);
    if (row.value === undefined) return;
    const secret = { ...row.value, ...(await this.#hash(password)) };
    // The password is the same: the version stays. When the row changed meanwhile, it is newer than we are.
    await this.#store.engine.commit({ conditions: unchanged(row), puts: [put(row.key, 'secret', secret)] });
  }

  async #hash(prepared: string): Promise<Pick<SecretRow, 'passwordHash' | 'scram'>> {
    const passwordHash = await this.#hasher.hash(prepared);
    return {
      passwordHash,
      scram: await makeScramSecret(prepared, this.#store.random, this.#scramIterations),
    };
  }
}

/** What a new password may be, prepared. */
function allowed(password: string): string {
  const prepared = opaqueString(password);
  if (prepared !== undefined) return prepared;
  const limit = `1 to ${preparedBytesMax} bytes without control or invisible characters`;
  throw new MailError('invalidArgument', `a password has ${limit}`);
}

/** All are compared, whichever matches. */
export function findAppPassword(
  secret: SecretRow | undefined,
  password: string,
): StoredAppPassword | undefined {
  if (secret === undefined || secret.appPasswords.length === 0) return undefined;
  const digest = appPasswordDigest(password);
  let found: StoredAppPassword | undefined;
  for (const candidate of secret.appPasswords) {
    if (timingSafeEqual(digest, Buffer.from(candidate.digest, 'base64'))) found = candidate;
  }
  return found;
}

/** As people copy it: spaces and dashes do not count, nor does letter case. */
export function appPasswordDigest(password: string): Buffer {
  return hash('sha256', password.replace(/[\s-]/g, '').toLowerCase(), 'buffer');
}
