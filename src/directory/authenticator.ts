// Who may log in. Invariants: unknown user, wrong password, disabled account or domain and service switched off are one
// answer and take the same work; nothing verified before a password change counts after it; every wrong guess that is
// new is counted (throttle.ts). Failures of the store are faults and never look like wrong passwords.

import { formatAddress, parseAddress } from '../mail/address.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { comparedString } from '../wire/sasl/prepare.ts';
import type { SaslScramOutcome } from '../wire/sasl/sasl.ts';
import type { AccountLogin, AccountLogins } from './account-logins.ts';
import type { AppPasswords } from './app-passwords.ts';
import type {
  AuthenticationContext,
  Authenticator,
  DirectoryAccount,
  Principal,
  ScramVerifier,
  Service,
} from './directory.ts';
import type { PasswordHasher } from './password-hash.ts';
import type { ReadCache } from './read-cache.ts';
import { canonicalForm, type Resolver } from './resolver.ts';
import type { SecretRow, StoredAppPassword } from './rows.ts';
import { inventScramVerifier, parseScramSecret } from './scram-secret.ts';
import { findAppPassword } from './secrets.ts';
import { loginNameCharactersMax } from './settings.ts';
import type { DirectoryStore } from './store.ts';
import type { LoginThrottle } from './throttle.ts';
import type { VerifiedSecrets } from './verified-secrets.ts';

export interface AuthenticatorParts {
  readonly store: DirectoryStore;
  readonly resolver: Resolver;
  readonly accountLogins: AccountLogins;
  readonly hasher: PasswordHasher;
  readonly verified: VerifiedSecrets;
  readonly throttle: LoginThrottle;
  readonly appPasswords: AppPasswords;
  readonly storeSecret: Uint8Array;
  readonly scramIterations: number;
  /** Called with a password that is right and whose stored forms are not what is wanted now. */
  readonly outdated: (account: DirectoryAccount, password: string) => void;
}

/** Whose login name it is. */
interface LoginName {
  /** Canonical where it can be. */
  readonly name: string;
  readonly id: AccountId | undefined;
}

/** What is known under a login name. */
interface Login extends Pick<AccountLogin, 'secret' | 'epoch'> {
  /** Canonical where it can be: what failures are counted under. */
  readonly name: string;
  readonly account: DirectoryAccount | undefined;
}

type KnownLogin = Login & { readonly account: DirectoryAccount };

export class InternalAuthenticator implements Authenticator {
  readonly #parts: AuthenticatorParts;
  readonly #names: ReadCache<LoginName>;

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts;
    this.#names = parts.store.cache((user) => this.#findName(user));
  }

  async verifyPassword(
    credentials: { readonly user: string; readonly password: string; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal> {
    const { throttle, appPasswords } = this.#parts;
    const login = await this.#login(credentials.user);
    throttle.check(login.name, context);
    // What can be no password: no stored one is equal to ''.
    const password = comparedString(credentials.password) ?? '';
    const appPassword = findAppPassword(login.secret, password);
    if (appPassword === undefined) await this.#verifyOwn(login, password, context);
    const current = await this.#current(credentials.user, login, context);
    const principal = await this.#authorize(current, credentials.authorizationId, context, appPassword);
    if (appPassword !== undefined) appPasswords.used(principal.accountId, appPassword.id);
    else if (login.secret !== undefined && this.#isOutdated(login.secret)) {
      this.#parts.outdated(current.account, password);
    }
    return principal;
  }

  async scramVerifier(user: string, context: AuthenticationContext): Promise<ScramVerifier> {
    const { storeSecret, scramIterations, throttle } = this.#parts;
    const login = await this.#login(user);
    throttle.check(login.name, context);
    // Made for known users too, so that both take the same time.
    const invented = inventScramVerifier(storeSecret, login.name, scramIterations);
    const stored = login.secret?.scram;
    return (stored === undefined ? undefined : parseScramSecret(stored)) ?? invented;
  }

  async finishScram(outcome: SaslScramOutcome, context: AuthenticationContext): Promise<Principal> {
    const login = await this.#login(outcome.user);
    // Again: many exchanges may have begun before the first of them failed.
    this.#parts.throttle.check(login.name, context);
    if (!outcome.verified || !isKnown(login) || !isOfNow(login, outcome)) this.#refuse(login, context);
    return this.#authorize(login, outcome.authorizationId, context, undefined);
  }

  async verifyCertificate(
    { names, authorizationId }: { readonly names: readonly string[]; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal> {
    const logins = await Promise.all(names.map((name) => this.#login(name)));
    const wanted = authorizationId === '' ? undefined : (await this.#login(authorizationId)).account?.id;
    const known = logins.filter(({ account }) => account !== undefined);
    const login = known.find(({ account }) => account?.id === wanted) ?? known[0] ?? logins[0];
    if (login === undefined) throw refusal();
    this.#parts.throttle.check(login.name, context);
    if (!isKnown(login)) this.#refuse(login, context);
    return await this.#authorize(login, authorizationId, context, undefined);
  }

  /** The account's own password; returns when it is right. */
  async #verifyOwn(login: Login, password: string, context: AuthenticationContext): Promise<void> {
    const { verified, hasher, throttle } = this.#parts;
    const subject = login.account?.id ?? `?${login.name}`;
    const digest = verified.digest(subject, login.secret?.version ?? '', password);
    const known = verified.recall(digest);
    if (known === true) return;
    // Counted when it was wrong for the first time; a mail program that repeats it tells nobody anything new.
    if (known === false) throw refusal();
    const checkAgain = (): void => throttle.check(login.name, context);
    const { isRight, joined } = await verified.verify(digest, () =>
      hasher.verify(password, login.secret?.passwordHash, checkAgain),
    );
    if (isRight) return;
    if (joined) throw refusal();
    this.#refuse(login, context);
  }

  /** The account as it is now: it may have changed while the password was hashed. */
  async #current(user: string, login: Login, context: AuthenticationContext): Promise<KnownLogin> {
    const now = await this.#login(user);
    if (!isKnown(now) || now.secret?.version !== login.secret?.version) this.#refuse(login, context);
    return now;
  }

  /** The secret was right: may the account log in here, and for whom? */
  async #authorize(
    login: KnownLogin,
    authorizationId: string,
    context: AuthenticationContext,
    appPassword: StoredAppPassword | undefined,
  ): Promise<Principal> {
    const { account } = login;
    const inScope = appPassword === undefined || appPassword.services.includes(context.service);
    if (!inScope || !mayUse(account, context.service)) this.#refuse(login, context);
    const acting = await this.#actingFor(login, authorizationId, appPassword !== undefined);
    if (acting === undefined || !mayUse(acting.account, context.service)) this.#refuse(login, context);
    this.#parts.throttle.succeeded(account.address, context);
    return {
      accountId: acting.account.id,
      address: acting.account.address,
      administrator: acting.account.administrator,
      appPasswordId: appPassword?.id,
      sessionEpoch: acting.epoch,
      ...(acting === login ? {} : { actor: { accountId: account.id, sessionEpoch: login.epoch } }),
    };
  }

  /** RFC 4616 section 2: another identity only for administrators, and not with an app password. */
  async #actingFor(
    login: KnownLogin,
    authorizationId: string,
    byAppPassword: boolean,
  ): Promise<KnownLogin | undefined> {
    if (authorizationId === '') return login;
    const other = await this.#login(authorizationId);
    if (other.account?.id === login.account.id) return login;
    return login.account.administrator && !byAppPassword && isKnown(other) ? other : undefined;
  }

  /** Cached, but what is too long to be an address is not kept. */
  async #login(user: string): Promise<Login> {
    const { name, id } = await this.#names.get(user.length > loginNameCharactersMax ? '' : user);
    const login = id === undefined ? undefined : await this.#parts.accountLogins.login(id);
    if (login === undefined) return { name, account: undefined, secret: undefined, epoch: undefined };
    // All of an account's names are throttled as one.
    return { ...login, name: login.account.address };
  }

  async #findName(user: string): Promise<LoginName> {
    const parsed = parseAddress(user);
    if (parsed === undefined) return { name: user, id: undefined };
    const address = canonicalForm(parsed);
    return { name: formatAddress(address), id: await this.#parts.resolver.loginAccount(address) };
  }

  #isOutdated(secret: SecretRow): boolean {
    const { hasher, scramIterations } = this.#parts;
    const iterations = secret.scram === undefined ? undefined : parseScramSecret(secret.scram)?.iterations;
    const scramIsOld = iterations !== undefined && iterations !== scramIterations;
    return secret.passwordHash !== undefined && (hasher.isOutdated(secret.passwordHash) || scramIsOld);
  }

  #refuse(login: Login, context: AuthenticationContext): never {
    this.#parts.throttle.failed(login.name, context);
    throw refusal();
  }
}

/** Whether the proof was checked with the verifier that is in force. */
function isOfNow({ secret }: Login, { storedKey }: SaslScramOutcome): boolean {
  if (storedKey === undefined) return true;
  const present = secret?.scram === undefined ? undefined : parseScramSecret(secret.scram);
  return present !== undefined && Buffer.compare(present.storedKey, storedKey) === 0;
}

function isKnown(login: Login): login is KnownLogin {
  return login.account !== undefined;
}

function refusal(): MailError {
  return new MailError('authenticationFailed', 'user or password is wrong');
}

function mayUse(account: DirectoryAccount, service: Service): boolean {
  return account.enabled && !account.shared && account.services.includes(service);
}
