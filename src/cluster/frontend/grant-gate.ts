// Gives session grants to nodes of the outer zone, renews them while sessions live, and checks them.
// Invariants: a grant is given only for a login that was just verified here; it is good for one account, one node and one
// service, until it expires, and no longer than the login would be: once the password was changed, or the account or
// the service switched off, it is refused, however new it is.
// Refuses with authenticationFailed, one answer for every reason: nobody learns what was wrong with a grant.

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { AccountId, NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { isCurrentSession, type SessionEpochs } from '../session-epoch.ts';
import type { GrantKeys } from './grant-keys.ts';
import { type GrantClaims, openGrant, sealGrant } from './session-grant.ts';

export interface GrantGateOptions {
  readonly keys: Pick<GrantKeys, 'newest' | 'accepted' | 'refresh'>;
  readonly sessionEpochs: SessionEpochs;
  readonly clock: Clock;
  readonly random: Random;
}

export interface IssuedGrant {
  readonly grant: Uint8Array;
  /** From now: the outer node's clock is its own. */
  readonly endsInMs: number;
}

/** How long a grant that was stolen from a node's memory is of use, once that node is off. */
export const grantLifeMs = 10 * 60_000;
/** How long a session goes on without the user's secret: a client that stays for longer logs in again. */
export const sessionLifeMs = 24 * 3_600_000;

const idLength = 16;

export class GrantGate {
  readonly #options: GrantGateOptions;

  constructor(options: GrantGateOptions) {
    this.#options = options;
  }

  /** For a login that was verified a moment ago, under that epoch. */
  async issue(given: Pick<GrantClaims, 'account' | 'peer' | 'service' | 'epoch'>): Promise<IssuedGrant> {
    const { sessionEpochs, clock, random } = this.#options;
    if (!(await isCurrentSession(sessionEpochs, given.account, given))) throw refusal();
    const sessionEndsAt = clock.now() + sessionLifeMs;
    return this.#seal({ ...given, id: random.identifier(idLength), sessionEndsAt });
  }

  /** For a session that goes on. */
  async renew(grant: Uint8Array | undefined, peer: NodeId): Promise<IssuedGrant> {
    const claims = await this.#claims(grant, peer);
    const { account, service, epoch } = claims;
    if ((await this.#options.sessionEpochs(account, service, true)) !== epoch) throw refusal();
    return this.#seal(claims);
  }

  /** What the peer may do for the account by this grant. */
  async check(
    grant: Uint8Array | undefined,
    { account, peer }: { readonly account: AccountId; readonly peer: NodeId },
  ): Promise<GrantClaims> {
    const claims = await this.#claims(grant, peer);
    if (claims.account !== account) throw refusal();
    return claims;
  }

  async #claims(grant: Uint8Array | undefined, peer: NodeId): Promise<GrantClaims> {
    const { keys, sessionEpochs, clock } = this.#options;
    if (grant === undefined) throw refusal();
    let claims = openGrant(grant, keys.accepted);
    if (claims === undefined) {
      await keys.refresh();
      claims = openGrant(grant, keys.accepted);
    }
    if (claims === undefined || claims.peer !== peer || claims.expiresAt <= clock.now()) throw refusal();
    if (!(await isCurrentSession(sessionEpochs, claims.account, claims))) throw refusal();
    return claims;
  }

  async #seal(claims: Omit<GrantClaims, 'issuedAt' | 'expiresAt'>): Promise<IssuedGrant> {
    const issuedAt = this.#options.clock.now();
    const expiresAt = Math.min(issuedAt + grantLifeMs, claims.sessionEndsAt);
    const grant = sealGrant({ ...claims, issuedAt, expiresAt }, await this.#options.keys.newest());
    return { grant, endsInMs: expiresAt - issuedAt };
  }
}

function refusal(): MailError {
  return new MailError('authenticationFailed', 'no grant of a session that this is allowed to');
}
