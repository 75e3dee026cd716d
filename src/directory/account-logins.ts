// What a login to an account goes by, and what sessions of it that began now would begin under (InternalDirectory.sessionEpoch):
// that is made of the account's and its domain's, so that a domain is disabled with one row, however many accounts it has.
// Invariants: the epoch is another text once sessions of before are to end, and undefined while none may begin; all of it is
// remembered under the account alone, so that what changed with it is forgotten without what is known of others.
// Fails with the engine's faults.

import type { AccountId } from '../mail/ids.ts';
import type { DirectoryAccount, Service } from './directory.ts';
import type { ReadCache } from './read-cache.ts';
import {
  type DomainRow,
  decodeAccount,
  decodeAddress,
  decodeDomain,
  decodeSecret,
  domainOf,
  keys,
  type SecretRow,
} from './rows.ts';
import type { DirectoryStore } from './store.ts';

/** Of an account whose domain is enabled; it may be disabled itself. */
export interface AccountLogin {
  readonly account: DirectoryAccount;
  readonly secret: SecretRow | undefined;
  /** Of a session that begins now. */
  readonly epoch: string | undefined;
  /** Whether its own address leads to it. */
  readonly isReached: boolean;
}

export class AccountLogins {
  readonly #store: DirectoryStore;
  readonly #cached: ReadCache<AccountLogin | undefined>;

  constructor(store: DirectoryStore) {
    this.#store = store;
    this.#cached = store.cache((id) => readLogin(store, id as AccountId));
  }

  /** Undefined: there is no such account, or its domain is disabled. */
  login(id: AccountId): Promise<AccountLogin | undefined> {
    return this.#cached.get(id);
  }

  /** The account as it was read for a login; undefined: nobody did of late. */
  known(id: AccountId): DirectoryAccount | undefined {
    return this.#cached.peek(id)?.account;
  }

  /** As InternalDirectory.sessionEpoch. */
  async sessionEpoch(id: AccountId, service: Service, isFresh = false): Promise<string | undefined> {
    const login = await (isFresh ? readLogin(this.#store, id) : this.login(id));
    if (login === undefined || !login.isReached) return undefined;
    const { enabled, shared, services } = login.account;
    return enabled && !shared && services.includes(service) ? login.epoch : undefined;
  }

  /** What is asked for of it now is as it is in the engine. */
  forget(id: AccountId): void {
    this.#cached.forget(id);
  }
}

/** From the engine. */
async function readLogin({ engine }: DirectoryStore, id: AccountId): Promise<AccountLogin | undefined> {
  const bytes = await engine.get(keys.account(id));
  if (bytes === undefined) return undefined;
  const account = decodeAccount(bytes);
  const [domainBytes, addressBytes, secretBytes] = await engine.getMany([
    keys.domain(domainOf(account.address)),
    keys.address(account.address),
    keys.secret(id),
  ]);
  const domain = domainBytes && decodeDomain(domainBytes);
  if (domain?.enabled !== true) return undefined;
  const owner = addressBytes && decodeAddress(addressBytes);
  const isReached = owner !== undefined && 'account' in owner && owner.account === id;
  const secret = secretBytes && decodeSecret(secretBytes);
  return { account, secret, epoch: secret && epochOf(secret, domain), isReached };
}

/** Neither part holds a slash. That of a domain that was never disabled is left out: so nodes of before know it. */
function epochOf(secret: SecretRow, domain: DomainRow): string {
  return domain.sessions === '' ? secret.sessions : `${secret.sessions}/${domain.sessions}`;
}
