// The directory kept in the engine: puts its parts together. Several processes may open it over one engine; what one
// changes the others see by the engine's signal, at the latest when their cached lookups age.

import type { Metrics } from '../base/metrics.ts';
import type { Address } from '../mail/address.ts';
import type { AccountId } from '../mail/ids.ts';
import { accountAdministration, finishRemovals } from './account-administration.ts';
import { AccountLogins } from './account-logins.ts';
import { aliasAdministration } from './alias-administration.ts';
import { AppPasswords } from './app-passwords.ts';
import { InternalAuthenticator } from './authenticator.ts';
import { checkDirectory, type DirectoryFinding } from './check-directory.ts';
import type { Directory, DirectoryAdministration, Service } from './directory.ts';
import { domainAdministration } from './domain-administration.ts';
import { EndedSessions } from './ended-sessions.ts';
import { LoginOutcomes } from './login-outcomes.ts';
import { PasswordHasher, passwordHashDefault } from './password-hash.ts';
import { warnWithoutAdministrator } from './postmasters.ts';
import { canonicalForm, Resolver } from './resolver.ts';
import { decodeText, keys, put } from './rows.ts';
import { Secrets } from './secrets.ts';
import { type DirectorySettings, type LoginLimits, scramIterationsDefault } from './settings.ts';
import { DirectoryStore, type StoreOptions } from './store.ts';
import { LoginThrottle } from './throttle.ts';
import { VerifiedSecrets } from './verified-secrets.ts';

export interface InternalDirectory extends DirectoryAdministration, AsyncDisposable {
  /** Resolves when what goes on in the background (last uses, renewed hashes, the ends of sessions) is done. */
  settled(): Promise<void>;
  /** For a reload of the configuration. */
  setLimits(limits: LoginLimits): void;
  /**
   * What sessions of the account that began now would begin under: another text once a password stopped being one, or the
   * account or its domain was disabled, though it may be enabled again.
   * Undefined: it may not use the service (any more). `isFresh`: read anew, past what is remembered.
   */
  sessionEpoch(id: AccountId, service: Service, isFresh?: boolean): Promise<string | undefined>;
  /** The cell the account is in, from what was read of it for a login or a message if it was; undefined: there is no such account. */
  cellOf(id: AccountId): Promise<string | undefined>;
  /**
   * What is durable now holds for every later question, though its signal may still be on the way. With an account: for every
   * question about its sessions and logins, and about itself.
   */
  forgetReads(id?: AccountId): void;
  /** The directory's part of a store check. */
  check(options: { readonly repair: boolean }): AsyncIterable<DirectoryFinding>;
}

const storeSecretBytes = 32;

/** Opens the directory, making what a new store lacks, and finishes removals and, in the background, ends sessions where a crash interrupted that. */
export async function openInternalDirectory(
  options: StoreOptions & { readonly settings: DirectorySettings; readonly metrics?: Metrics | undefined },
): Promise<InternalDirectory> {
  const { clock, random, settings } = options;
  const hooks = settings.hooks ?? {};
  const scramIterations = settings.scramIterations ?? scramIterationsDefault;
  const store = new DirectoryStore(options);
  await warnWithoutAdministrator(store);
  const storeSecret = await readStoreSecret(store);
  const resolver = new Resolver(store, settings.subAddressSeparators);
  const accountLogins = new AccountLogins(store);
  const hasher = new PasswordHasher(settings.passwordHash ?? passwordHashDefault, random);
  const ended = new EndedSessions(store, hooks);
  const secrets = new Secrets(store, hasher, { scramIterations, hooks, ended });
  const appPasswords = new AppPasswords(store, secrets);
  const verified = new VerifiedSecrets(clock, random, settings.verifiedCacheMs);
  const throttle = new LoginThrottle(clock, settings, (frontend) => {
    options.log.warn({ frontend }, 'logins through this frontend are refused now: too many of them failed');
  });
  const logins = new LoginOutcomes(options.metrics, options.log);
  const authenticator = new InternalAuthenticator({
    store,
    resolver,
    accountLogins,
    hasher,
    verified,
    throttle,
    appPasswords,
    storeSecret,
    scramIterations,
    outdated: (account, password) => secrets.renew(account, password),
  });
  await finishRemovals(store, hooks);
  ended.tellAll();
  const settled = async (): Promise<void> => {
    await Promise.all([secrets.settled(), appPasswords.settled(), ended.settled()]);
  };
  return {
    ...addressLookups(store, resolver),
    ...domainAdministration(store, ended),
    ...accountAdministration({ store, resolver, secrets, hooks, ended }),
    ...aliasAdministration(store),
    verifyPassword: (credentials, context) =>
      logins.of(authenticator.verifyPassword(credentials, context), credentials.user, context),
    scramVerifier: (user, context) => authenticator.scramVerifier(user, context),
    finishScram: (outcome, context) =>
      logins.of(authenticator.finishScram(outcome, context), outcome.user, context),
    verifyCertificate: (identity, context) =>
      logins.of(authenticator.verifyCertificate(identity, context), identity.names[0] ?? '', context),
    addAppPassword: (id, wanted) => appPasswords.addAppPassword(id, wanted),
    appPasswords: (id) => appPasswords.appPasswords(id),
    removeAppPassword: (id, appPasswordId) => appPasswords.removeAppPassword(id, appPasswordId),
    sessionEpoch: (...asked) => accountLogins.sessionEpoch(...asked),
    cellOf: async (id) => (accountLogins.known(id) ?? (await store.account(id)))?.cell,
    forgetReads(id) {
      if (id === undefined) return store.clear();
      store.forgetAccount(id);
      accountLogins.forget(id);
    },
    settled,
    check: (wanted) => checkDirectory(store, wanted),
    setLimits(limits) {
      throttle.setLimits(limits);
      verified.setAgeMax(limits.verifiedCacheMs);
    },
    async [Symbol.asyncDispose]() {
      await ended[Symbol.asyncDispose]();
      await settled();
      store[Symbol.dispose]();
    },
  };
}

/** What RCPT and MAIL ask; whole resolutions are cached, so that mail to known addresses costs one lookup in memory. */
function addressLookups(
  store: DirectoryStore,
  resolver: Resolver,
): Pick<Directory, 'resolve' | 'ownsAddress'> {
  const resolutions = store.cache((key) => resolver.resolve(addressOfKey(key)));
  const resolved = (address: Address) => resolutions.get(keyOfAddress(canonicalForm(address)));
  return {
    async resolve(address) {
      return (await resolved(address)).resolution;
    },
    async ownsAddress(accountId, address) {
      const { resolution, byCatchAll } = await resolved(address);
      if (byCatchAll || resolution.outcome !== 'deliver' || resolution.targets.length !== 1) return false;
      const target = resolution.targets[0]!;
      return target.type === 'account' && target.accountId === accountId;
    },
  };
}

/** A domain holds no '@', a local part may. */
function keyOfAddress(address: Address): string {
  return `${address.localPart}@${address.domain}`;
}

function addressOfKey(key: string): Address {
  const at = key.lastIndexOf('@');
  return { localPart: key.slice(0, at), domain: key.slice(at + 1) };
}

/** Made once a store; of two processes that make it at once, one wins and both use that one. */
async function readStoreSecret(store: DirectoryStore): Promise<Buffer> {
  const secret = await store.change(async () => {
    const row = await store.row(keys.store(), (bytes) => decodeText('store', bytes));
    if (row.value !== undefined) return { batch: undefined, result: row.value };
    const value = store.random.bytes(storeSecretBytes).toString('base64');
    const conditions = [{ key: row.key, expected: undefined }];
    return { batch: { conditions, puts: [put(row.key, 'store', { value })] }, result: value };
  });
  return Buffer.from(secret, 'base64');
}
