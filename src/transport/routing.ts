// Where mail for an address goes. Asked at RCPT, so that what cannot be delivered is refused before it is sent.
// Invariant: a recipient that was accepted leads to accounts of ours only; relaying comes with the transport queue.

import type { Directory } from '../directory/directory.ts';
import { parseAddress } from '../mail/address.ts';
import type { LocalTarget } from './delivery/local-delivery.ts';

export type RouteRefusal =
  | 'unknownUser'
  | 'disabled'
  | 'aliasLoop'
  /** The domain is not ours. */
  | 'foreign'
  /** An alias of ours leads to an address that is not. */
  | 'outside'
  | 'badAddress';

export type Route =
  | { readonly outcome: 'local'; readonly targets: readonly LocalTarget[] }
  | { readonly outcome: 'refused'; readonly reason: RouteRefusal };

const refusals: Readonly<Record<RouteRefusal, Route>> = {
  unknownUser: { outcome: 'refused', reason: 'unknownUser' },
  disabled: { outcome: 'refused', reason: 'disabled' },
  aliasLoop: { outcome: 'refused', reason: 'aliasLoop' },
  foreign: { outcome: 'refused', reason: 'foreign' },
  outside: { outcome: 'refused', reason: 'outside' },
  badAddress: { outcome: 'refused', reason: 'badAddress' },
};

export class Routing {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** `text`: an address as written, quoted when needed, or a bare postmaster. Rejects with Fault when the directory does. */
  async route(text: string): Promise<Route> {
    // RFC 5321 4.5.1: <postmaster> without a domain is this server's; the directory knows who that is.
    const address = text.includes('@') ? parseAddress(text) : { localPart: text.toLowerCase(), domain: '' };
    if (address === undefined) return refusals.badAddress;
    const resolution = await this.#directory.resolve(address);
    if (resolution.outcome !== 'deliver') return refusals[resolution.outcome];
    const targets: LocalTarget[] = [];
    for (const target of resolution.targets) {
      if (target.type === 'outside') return refusals.outside;
      targets.push(target);
    }
    return targets.length === 0 ? refusals.unknownUser : { outcome: 'local', targets };
  }
}
