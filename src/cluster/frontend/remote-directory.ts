// The directory as speakers on a node of the outer zone see it: every question goes to a node with the engine. Logins leave
// a grant with the keeper; passwords and verifiers' keys stay where they are checked.
// Fails as the directory does, and with a temporary Fault when no node answers.

import type {
  AuthenticationContext,
  Directory,
  DirectoryAccount,
  Principal,
  Resolution,
  ScramVerifier,
} from '../../directory/directory.ts';
import type { Address } from '../../mail/address.ts';
import type { AccountId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { SaslScramProof } from '../../wire/sasl/sasl.ts';
import {
  type DirectoryAnswer,
  type DirectoryMethod,
  type DirectoryQuestion,
  directoryMethods,
  directoryServiceName,
} from './directory-protocol.ts';
import type { IssuedGrant } from './grant-gate.ts';
import type { GrantKeeper } from './grant-keeper.ts';
import type { InnerNodes } from './inner-nodes.ts';
import { parseMethodAnswer } from './link-protocol.ts';

const noKey = new Uint8Array(0);

export class RemoteDirectory implements Directory {
  readonly #nodes: Pick<InnerNodes, 'ask'>;
  readonly #grants: Pick<GrantKeeper, 'keep' | 'grantOf'>;

  constructor(nodes: Pick<InnerNodes, 'ask'>, grants: Pick<GrantKeeper, 'keep' | 'grantOf'>) {
    this.#nodes = nodes;
    this.#grants = grants;
  }

  async verifyPassword(
    credentials: { readonly user: string; readonly password: string; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal> {
    return this.#entered(await this.#ask('verifyPassword', { ...credentials, context }), context);
  }

  async scramVerifier(user: string, context: AuthenticationContext): Promise<ScramVerifier> {
    const told = await this.#ask('scramChallenge', { user, context });
    return { ...told, storedKey: noKey, serverKey: noKey };
  }

  async proveScram(proof: SaslScramProof, context: AuthenticationContext) {
    const proven = await this.#ask('proveScram', { ...proof, context });
    return { principal: this.#entered(proven, context), signature: proven.signature };
  }

  /** Only of exchanges that went wrong: good ones end with proveScram. */
  async finishScram(
    { user, authorizationId }: { readonly user: string; readonly authorizationId: string },
    context: AuthenticationContext,
  ): Promise<Principal> {
    await this.#ask('failScram', { user, authorizationId, context });
    throw new MailError('authenticationFailed', 'user or password is wrong');
  }

  async resolve(address: Address): Promise<Resolution> {
    return (await this.#ask('resolve', address)) as Resolution;
  }

  ownsAddress(accountId: AccountId, address: Address): Promise<boolean> {
    return this.#ask('ownsAddress', { accountId, address }, this.#grants.grantOf(accountId, 'smtp'));
  }

  async account(_id: AccountId): Promise<DirectoryAccount | undefined> {
    throw notHere();
  }

  async accountByAddress(_address: string): Promise<DirectoryAccount | undefined> {
    throw notHere();
  }

  #entered(
    { principal, grant, endsInMs }: DirectoryAnswer<'verifyPassword' | 'proveScram'>,
    { service }: AuthenticationContext,
  ): Principal {
    const { accountId, address, administrator, appPasswordId, sessionEpoch } = principal;
    this.#grants.keep(accountId as AccountId, service, { grant, endsInMs });
    return { accountId: accountId as AccountId, address, administrator, appPasswordId, sessionEpoch };
  }

  async #ask<Method extends DirectoryMethod>(
    method: Method,
    question: DirectoryQuestion<Method>,
    grant?: Uint8Array,
  ): Promise<DirectoryAnswer<Method>> {
    const request = { service: directoryServiceName, method, arguments: question };
    const answer = await this.#nodes.ask({ ...request, ...(grant === undefined ? {} : { grant }) });
    return parseMethodAnswer(directoryMethods, method, answer);
  }
}

/** For the keeper: another grant of the same login. */
export async function renewGrant(nodes: Pick<InnerNodes, 'ask'>, grant: Uint8Array): Promise<IssuedGrant> {
  const request = { service: directoryServiceName, method: 'renewGrant', arguments: undefined, grant };
  return parseMethodAnswer(directoryMethods, 'renewGrant', await nodes.ask(request));
}

function notHere(): MailError {
  return new MailError('permissionDenied', 'accounts are not looked at from the outer zone');
}
