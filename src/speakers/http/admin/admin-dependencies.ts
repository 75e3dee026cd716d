// What the admin API acts on. compose.ts fills it; nothing here knows which engine or directory is behind it.

import type { StoreCheckEvent, StoreCheckOptions } from '../../../account/check/store-check.ts';
import type { AccountPorts } from '../../../account/port.ts';
import type { PreparedMessage } from '../../../account/prepared-message.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import type { ClusterAdministration } from '../../../cluster/cluster-administration.ts';
import type { AdministrationArea } from '../../../config/schema.ts';
import type { DirectoryAdministration } from '../../../directory/directory.ts';
import type { ApiToken, ApiTokens } from '../../../directory/tokens.ts';
import type { Engine } from '../../../storage/engine.ts';
import type { OpenSessions } from '../../kit/open-sessions.ts';

export interface AdminTokens extends Pick<ApiTokens, 'verify' | 'create' | 'revoke'> {
  list(): Promise<readonly ApiToken[]>;
}

export interface ReloadOutcome {
  readonly reloaded: readonly string[];
  /** Keys that changed but need a restart. */
  readonly needRestart: readonly string[];
}

export interface AdminDependencies {
  readonly directory: DirectoryAdministration;
  readonly accounts: AccountPorts;
  readonly tokens: AdminTokens;
  readonly engine: Engine;
  /** Of this process; absent: it has no listeners. */
  readonly sessions?: OpenSessions;
  readonly prepareMessage: (bytes: Uint8Array) => Promise<PreparedMessage>;
  readonly checkStore: (
    options: Pick<StoreCheckOptions, 'repair' | 'accountsOnly'>,
  ) => AsyncIterable<StoreCheckEvent>;
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Undefined while the server may take traffic, else why not. */
  readonly unreadyReason: () => string | undefined;
  /** What is reached through nodes of the outer zone. */
  readonly areasForOuterZone: () => readonly AdministrationArea[];
  readonly effectiveConfig: () => Record<string, unknown>;
  readonly reload: () => Promise<ReloadOutcome>;
  /** Undefined on a server that is no node of a cluster, and on a node that has no way to the engine. */
  readonly cluster?: ClusterAdministration | undefined;
  readonly version: string;
  readonly messageBytesMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
