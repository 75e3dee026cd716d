// All that a node with the engine does for nodes of the outer zone, put together: the services of their links.
// Invariant: they reach nothing else, and a node that was removed reaches nothing, though its certificate still holds.

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { InternalDirectory } from '../../directory/internal-directory.ts';
import type { NodeId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Engine } from '../../storage/engine.ts';
import { accountServiceName } from '../account-service.ts';
import { type ClusterAuthority, outerZone } from '../authority/cluster-authority.ts';
import type { ClusterConfigurationStore } from '../cluster-configuration-store.ts';
import type { HostedAccounts } from '../hosted-accounts.ts';
import type { LinkPeer } from '../links/link-server.ts';
import type { LinkService } from '../links/serving-link.ts';
import type { ClusterView } from '../membership/cluster-view.ts';
import {
  type AnswerAdministration,
  administrationServiceName,
  openAdministrationService,
} from '../relayed-administration.ts';
import { clusterServiceName } from './cluster-protocol.ts';
import { type ClusterPace, makeClusterPace, openClusterService } from './cluster-service.ts';
import { directoryServiceName } from './directory-protocol.ts';
import { openDirectoryService } from './directory-service.ts';
import { openFrontendAccountService } from './frontend-account-service.ts';
import { GrantGate } from './grant-gate.ts';
import { GrantKeys } from './grant-keys.ts';

export interface FrontendServicesOptions {
  readonly engine: Engine;
  readonly authority: ClusterAuthority;
  readonly settings: ClusterConfigurationStore;
  readonly hosted: HostedAccounts;
  readonly view: () => ClusterView;
  /** Refuses while the server starts. */
  readonly accountDirectory: () => InternalDirectory;
  /** The admin API of this node. Refuses while the server starts. */
  readonly answer: AnswerAdministration;
  readonly messageBytesMax: () => number;
  readonly clock: Clock;
  readonly random: Random;
}

type Services = ReadonlyMap<string, LinkService>;

/** For LinkServer: the services of a peer; undefined for peers of the inner zones. */
export function openFrontendServices(
  options: FrontendServicesOptions,
): (peer: LinkPeer) => Services | undefined {
  const { hosted, view, messageBytesMax, clock, random } = options;
  const keys = new GrantKeys(options);
  const gate = new GrantGate({
    keys,
    sessionEpochs: (...asked) => options.accountDirectory().sessionEpoch(...asked),
    clock,
    random,
  });
  const accounts = openFrontendAccountService({ hosted, gate, messageBytesMax, clock });
  let directory: LinkService | undefined;
  const ask: LinkService = (call) => {
    directory ??= openDirectoryService({ directory: options.accountDirectory(), gate, keys, clock, random });
    return directory(call);
  };
  const administration = openAdministrationService({ ...options, authorize: () => {}, isOuter: true });
  const cluster = { ...options, run: random.identifier(8) };
  const none: Services = new Map();
  /** As many as nodes were enrolled. */
  const paces = new Map<NodeId, ClusterPace>();
  return (peer) => {
    // Every certificate of an authority of ours names a zone.
    if (peer.zone === undefined) return none;
    if (peer.zone !== outerZone) return undefined;
    const standing = (): 'stranger' | 'member' | 'removed' => {
      const row = view().nodes.get(peer.node)?.row;
      if (row === undefined || row.zone !== outerZone) return 'stranger';
      return row.state === 'removed' ? 'removed' : 'member';
    };
    const unless = (refused: readonly string[], service: LinkService): LinkService => {
      return async (call) => {
        if (refused.includes(standing()) && call.method !== 'heartbeat')
          throw new MailError('permissionDenied', `${peer.node} is no node of this cluster`);
        return service(call);
      };
    };
    const members = ['stranger', 'removed'];
    const pace = paces.get(peer.node) ?? makeClusterPace(clock);
    paces.set(peer.node, pace);
    return new Map([
      [accountServiceName, unless(members, accounts)],
      [directoryServiceName, unless(members, ask)],
      [administrationServiceName, unless(members, administration)],
      // What a node asks before it has a row; one that was removed hears only that.
      [clusterServiceName, unless(['removed'], openClusterService(cluster, peer, pace))],
    ]);
  };
}
