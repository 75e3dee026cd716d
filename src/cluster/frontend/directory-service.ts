// The directory for nodes of the outer zone: what a speaker needs to ask, and nothing else (directory-protocol.ts).
// Invariants: secrets are checked here and stay here, SCRAM's keys too; whoever logs in gets a grant for that node and
// that service; there is no method that lists.
// From out there nobody acts for another account, administrators neither: a frontend that was broken into would have the
// whole site with the first administrator that logs in through it.
// Fails as the directory does.

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { AuthenticationContext, Principal } from '../../directory/directory.ts';
import type { InternalDirectory } from '../../directory/internal-directory.ts';
import type { AccountId, NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { checkScramProof } from '../../wire/sasl/scram.ts';
import type { LinkCall, LinkService } from '../links/serving-link.ts';
import {
  type DirectoryAnswer,
  type DirectoryMethod,
  type DirectoryQuestion,
  directoryMethods,
} from './directory-protocol.ts';
import type { GrantGate } from './grant-gate.ts';
import type { GrantKeys } from './grant-keys.ts';
import { hasMethod, parseMethodQuestion } from './link-protocol.ts';
import { isScramNonce, makeScramNonce } from './scram-nonce.ts';

export interface DirectoryServiceOptions {
  readonly directory: Pick<
    InternalDirectory,
    'verifyPassword' | 'scramVerifier' | 'finishScram' | 'resolve' | 'ownsAddress' | 'accountByAddress'
  >;
  readonly gate: GrantGate;
  readonly keys: Pick<GrantKeys, 'newest' | 'accepted' | 'refresh'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Who proved what he knows, and for whom. */
interface LoggedIn {
  readonly user: string;
  readonly authorizationId: string;
  readonly context: Pick<AuthenticationContext, 'service'>;
}

type Handlers = {
  readonly [Method in DirectoryMethod]: (
    question: DirectoryQuestion<Method>,
    call: Pick<LinkCall, 'peer' | 'grant'>,
  ) => Promise<DirectoryAnswer<Method>>;
};

export function openDirectoryService(options: DirectoryServiceOptions): LinkService {
  const handlers = handlersOf(options);
  return async (call) => {
    const { method, peer } = call;
    if (!hasMethod(directoryMethods, method) || call.held)
      throw new MailError('permissionDenied', `the directory has no ${method} for this node`);
    const question = parseMethodQuestion(directoryMethods, method, call.arguments);
    return handlers[method](saidBy(peer, question) as never, call);
  };
}

/** Of what a node says of a login, it is the one to say it: failures are counted for it. */
function saidBy(frontend: NodeId, question: unknown): unknown {
  const { context } = (question ?? {}) as { readonly context?: AuthenticationContext };
  return context === undefined ? question : { ...(question as object), context: { ...context, frontend } };
}

function handlersOf(options: DirectoryServiceOptions): Handlers {
  const { directory, gate, keys, clock, random } = options;
  const granted = async (
    principal: Principal,
    { user, authorizationId, context: { service } }: LoggedIn,
    peer: NodeId,
  ) => {
    if (authorizationId !== '' && (await directory.accountByAddress(user))?.id !== principal.accountId)
      throw new MailError('authenticationFailed', 'nobody acts for another account from the outer zone');
    const { accountId, address, administrator, appPasswordId, sessionEpoch = '' } = principal;
    const issued = await gate.issue({ account: accountId, peer, service, epoch: sessionEpoch });
    return { principal: { accountId, address, administrator, appPasswordId, sessionEpoch }, ...issued };
  };
  return {
    verifyPassword: async ({ context, ...credentials }, { peer }) =>
      granted(await directory.verifyPassword(credentials, context), { ...credentials, context }, peer),
    scramChallenge: async ({ user, context }, { peer }) => {
      const { salt, iterations } = await directory.scramVerifier(user, context);
      const key = await keys.newest();
      const nonce = makeScramNonce({ peer, user }, { key, now: clock.now(), random });
      return { salt, iterations, nonce };
    },
    proveScram: async ({ context, ...proof }, { peer }) => {
      const { user, authorizationId, nonce } = proof;
      const owner = { peer, user };
      const isFresh = (): boolean => isScramNonce(nonce, owner, { keys: keys.accepted, now: clock.now() });
      if (!isFresh()) await keys.refresh();
      const verifier = await directory.scramVerifier(user, context);
      const signature = isFresh() ? checkScramProof(verifier, proof) : undefined;
      const { storedKey } = verifier;
      const outcome = { user, authorizationId, verified: signature !== undefined, storedKey };
      const principal = await directory.finishScram(outcome, context);
      // finishScram has refused before, when there is none.
      if (signature === undefined) throw new MailError('authenticationFailed', 'SCRAM proof does not match');
      return { signature, ...(await granted(principal, { user, authorizationId, context }, peer)) };
    },
    failScram: async ({ context, ...outcome }) => {
      await directory.finishScram({ ...outcome, verified: false }, context);
    },
    renewGrant: async (_, { grant, peer }) => gate.renew(grant, peer),
    resolve: async (address) => (await directory.resolve(address)) as DirectoryAnswer<'resolve'>,
    ownsAddress: async ({ accountId, address }, { grant, peer }) => {
      const { service } = await gate.check(grant, { account: accountId as AccountId, peer });
      if (service !== 'smtp') throw new MailError('permissionDenied', 'a session that does not send');
      return directory.ownsAddress(accountId as AccountId, address);
    },
  };
}
