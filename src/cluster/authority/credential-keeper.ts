// Keeps a running node's certificate from ending: looks every hour, and after two thirds of its life has it renewed, keeps
// the new one in the data directory, and then tells those who use it.
// Invariant: the new one is durable before anybody sees it, for from then on the one before is of no use (cluster-authority.ts).
// A renewal that fails is logged and tried again at the next look: there is a month for it.

import { X509Certificate } from 'node:crypto';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { certificateKeyDigest, makeCertificateRequest, makeKey, renewalDueAt } from './certificates.ts';
import type { ClusterAuthority, NameOwner } from './cluster-authority.ts';
import { saveCredentials } from './credential-files.ts';

export interface CredentialKeeperOptions {
  readonly directory: string;
  readonly credentials: LinkCredentials;
  /** By the engine (renewLocally) or through another node (renewCredentials). */
  readonly renew: (credentials: LinkCredentials) => Promise<LinkCredentials>;
  /** For links made from now on. */
  readonly renewed: (credentials: LinkCredentials) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const lookMs = 3_600_000;

export class CredentialKeeper implements Disposable {
  readonly #options: CredentialKeeperOptions;
  #credentials: LinkCredentials;
  #timer: Timer;
  #isClosed = false;

  constructor(options: CredentialKeeperOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#timer = options.clock.after(0, () => void this.#look());
  }

  get credentials(): LinkCredentials {
    return this.#credentials;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const { clock, log } = this.#options;
    if (clock.now() >= renewalDueAt(this.#credentials.certificate)) {
      try {
        await this.#renew();
      } catch (error) {
        log.warn({ err: error }, 'cannot renew this node’s certificate; trying again within the hour');
      }
    }
    if (!this.#isClosed) this.#timer = clock.after(lookMs, () => void this.#look());
  }

  async #renew(): Promise<void> {
    const { directory, renew, renewed, log } = this.#options;
    const credentials = await renew(this.#credentials);
    await saveCredentials(directory, credentials);
    this.#credentials = credentials;
    log.info({ node: credentials.node }, 'renewed this node’s certificate');
    renewed(credentials);
  }
}

/** Shows a node's certificate to the authority, as a link would. Rejects as the engine does. */
export function showLocally(
  authority: ClusterAuthority,
  { node, certificate }: LinkCredentials,
): Promise<NameOwner> {
  const publicKeyDigest = certificateKeyDigest(new X509Certificate(certificate));
  return authority.ownerOf({ node, publicKeyDigest });
}

/** Renewal for nodes that have the engine. */
export function renewLocally(authority: ClusterAuthority): CredentialKeeperOptions['renew'] {
  return async ({ node, certificate: present }) => {
    const key = makeKey();
    const publicKeyDigest = certificateKeyDigest(new X509Certificate(present));
    const request = await makeCertificateRequest(node, key);
    const { certificate, authorities } = await authority.renew({ node, publicKeyDigest }, request);
    return { node, authorities, certificate, key };
  };
}
