// App passwords: random ones for single programs, limited to services, shown once, removable one by one. They are made
// here with 120 bits of chance, so a plain SHA-256 is as good as any hash, and checking them costs nothing.
// They work wherever a password is sent (PLAIN, LOGIN, USER/PASS); SCRAM knows one verifier a user: the account's own.
// Last use is written lazily: at most once a minute each, and a crash may lose the last minute.

import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { type AppPassword, type DirectoryAdministration, type Service, services } from './directory.ts';
import { decodeNumber, decodeSecret, keys, put, type StoredAppPassword } from './rows.ts';
import { appPasswordDigest, type Secrets } from './secrets.ts';
import { appPasswordsMax, nameCharactersMax } from './settings.ts';
import { type DirectoryStore, unchanged } from './store.ts';

const lastUseWrittenEveryMs = 60_000;
/** Remembered times of writing; when there are more, all are forgotten, and a minute's writes come early. */
const rememberedMax = 50_000;
const groups = 6;
const groupLength = 4;

export type AppPasswordAdministration = Pick<
  DirectoryAdministration,
  'addAppPassword' | 'appPasswords' | 'removeAppPassword'
>;

export class AppPasswords implements AppPasswordAdministration {
  readonly #store: DirectoryStore;
  readonly #secrets: Secrets;
  /** App password id → when its last use was written (monotonic). */
  readonly #writtenAt = new Map<string, number>();
  readonly #writing = new Set<Promise<void>>();

  constructor(store: DirectoryStore, secrets: Secrets) {
    this.#store = store;
    this.#secrets = secrets;
  }

  async addAppPassword(
    id: AccountId,
    options: { readonly name: string; readonly services: readonly Service[] },
  ): Promise<AppPassword & { readonly password: string }> {
    checkOptions(options);
    const { random, clock } = this.#store;
    const words = Array.from({ length: groups }, () => random.identifier(groupLength));
    const password = words.join('-');
    const stored: StoredAppPassword = {
      id: random.identifier(12),
      name: options.name,
      services: [...new Set(options.services)],
      createdAt: Math.floor(clock.now() / 1000),
      digest: appPasswordDigest(password).toString('base64'),
    };
    await this.#secrets.change(id, (row) => {
      if (row.appPasswords.length >= appPasswordsMax) {
        throw new MailError('limitReached', `an account has at most ${appPasswordsMax} app passwords`);
      }
      return { ...row, appPasswords: [...row.appPasswords, stored] };
    });
    return { ...shown(stored, undefined), password };
  }

  async appPasswords(id: AccountId): Promise<readonly AppPassword[]> {
    const secret = await this.#store.secret(id);
    if (secret === undefined) throw new MailError('noSuchAccount', 'there is no such account');
    const rows = await this.#store.engine.getMany(
      secret.appPasswords.map((one) => keys.lastUsed(id, one.id)),
    );
    return secret.appPasswords.map((one, index) => {
      const row = rows[index];
      return shown(one, row === undefined ? undefined : decodeNumber('secret', row));
    });
  }

  async removeAppPassword(id: AccountId, appPasswordId: string): Promise<void> {
    await this.#secrets.change(id, (row) => {
      const appPasswords = row.appPasswords.filter((one) => one.id !== appPasswordId);
      if (appPasswords.length === row.appPasswords.length) {
        throw new MailError('noSuchAccount', `there is no app password ${appPasswordId}`);
      }
      return { ...row, appPasswords, sessions: this.#store.newVersion() };
    });
    await this.#store.engine.commit({ deletes: [keys.lastUsed(id, appPasswordId)] });
    await this.#secrets.tellChanged(id);
  }

  /** Notes a use; returns at once, the write follows. */
  used(id: AccountId, appPasswordId: string): void {
    const now = this.#store.clock.monotonic();
    const writtenAt = this.#writtenAt.get(appPasswordId);
    if (writtenAt !== undefined && now - writtenAt < lastUseWrittenEveryMs) return;
    if (this.#writtenAt.size >= rememberedMax) this.#writtenAt.clear();
    this.#writtenAt.set(appPasswordId, now);
    const write = this.#write(id, appPasswordId)
      .catch((error: unknown) => {
        this.#store.log.warn(
          { err: error, accountId: id },
          'could not write the last use of an app password',
        );
      })
      .finally(() => this.#writing.delete(write));
    this.#writing.add(write);
  }

  /** Resolves when the uses noted so far are written. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing);
  }

  async #write(id: AccountId, appPasswordId: string): Promise<void> {
    const secret = await this.#store.row(keys.secret(id), decodeSecret);
    if (!secret.value?.appPasswords.some((one) => one.id === appPasswordId)) return;
    const value = Math.floor(this.#store.clock.now() / 1000);
    // Conditional, so that nothing is left behind of one that is being removed.
    const puts = [put(keys.lastUsed(id, appPasswordId), 'secret', { value })];
    await this.#store.engine.commit({ conditions: unchanged(secret), puts });
  }
}

function shown(stored: StoredAppPassword, lastUsedAt: number | undefined): AppPassword {
  const { id, name, services: scope, createdAt } = stored;
  return { id, name, services: scope, createdAt, lastUsedAt };
}

function checkOptions(options: { readonly name: string; readonly services: readonly Service[] }): void {
  const isNamed = options.name.trim() !== '' && options.name.length <= nameCharactersMax;
  if (!isNamed) throw new MailError('invalidArgument', `the name has 1 to ${nameCharactersMax} characters`);
  const known = options.services.every((service) => services.includes(service));
  if (!known || options.services.length === 0) {
    throw new MailError('invalidArgument', `services are one or more of ${services.join(', ')}`);
  }
}
