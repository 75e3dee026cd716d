// What sessions of an account that began now would begin under (InternalDirectory.sessionEpoch): made of the account's and its
// domain's, so that a domain is disabled with one row, however many accounts it has.
// Invariant: it is another text once sessions of before are to end, and undefined while none may begin.
// Fails with the engine's faults.

import type { AccountId } from '../mail/ids.ts';
import type { Service } from './directory.ts';
import type { InternalDirectory } from './internal-directory.ts';
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

interface Sessions {
  readonly services: readonly Service[];
  readonly epoch: string;
}

/** Neither part holds a slash. That of a domain that was never disabled is left out: so nodes of before know it. */
export function sessionEpochOf(secret: Pick<SecretRow, 'sessions'>, domain: DomainRow): string {
  return domain.sessions === '' ? secret.sessions : `${secret.sessions}/${domain.sessions}`;
}

export function sessionEpochs(store: DirectoryStore): InternalDirectory['sessionEpoch'] {
  const read = (id: string): Promise<Sessions | undefined> => readSessions(store, id as AccountId);
  const cached = store.cache(read);
  return async (id, service, isFresh = false) => {
    const sessions = await (isFresh ? read(id) : cached.get(id));
    return sessions?.services.includes(service) ? sessions.epoch : undefined;
  };
}

/** From the engine. Undefined: nobody logs in to the account now. */
async function readSessions({ engine }: DirectoryStore, id: AccountId): Promise<Sessions | undefined> {
  const bytes = await engine.get(keys.account(id));
  const account = bytes && decodeAccount(bytes);
  if (account?.enabled !== true || account.shared) return undefined;
  const [domainBytes, addressBytes, secretBytes] = await engine.getMany([
    keys.domain(domainOf(account.address)),
    keys.address(account.address),
    keys.secret(id),
  ]);
  const domain = domainBytes && decodeDomain(domainBytes);
  const owner = addressBytes && decodeAddress(addressBytes);
  const isReached = owner !== undefined && 'account' in owner && owner.account === id;
  if (domain?.enabled !== true || !isReached || secretBytes === undefined) return undefined;
  return { services: account.services, epoch: sessionEpochOf(decodeSecret(secretBytes), domain) };
}
