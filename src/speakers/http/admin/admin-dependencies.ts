// What the admin API acts on. compose.ts fills it; nothing here knows which engine or directory is behind it.

import type { AccountPorts } from '../../../account/port.ts';
import type { PreparedMessage } from '../../../account/prepared-message.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import type { DirectoryAdministration } from '../../../directory/directory.ts';
import type { ApiToken, TokenScope } from '../../../directory/tokens.ts';
import type { AccountId } from '../../../mail/ids.ts';
import type { Engine } from '../../../storage/engine.ts';

export interface AdminTokens {
  verify(token: string): Promise<ApiToken | undefined>;
  create(options: {
    readonly name: string;
    readonly scopes: readonly TokenScope[];
    readonly expiresAt: number | undefined;
  }): Promise<ApiToken & { readonly token: string }>;
  list(): Promise<readonly ApiToken[]>;
  /** Refuses with invalidArgument when there is none. */
  revoke(id: string): Promise<void>;
}

/** One line of a store check: progress, a finding, or the end. */
export type StoreCheckEvent =
  | { readonly type: 'progress'; readonly accountsDone: number; readonly accountsTotal: number }
  | {
      readonly type: 'finding';
      readonly accountId: AccountId | undefined;
      readonly what: string;
      readonly action: 'repaired' | 'setAside' | 'reported';
    }
  | {
      readonly type: 'done';
      readonly accounts: number;
      readonly messages: number;
      readonly findings: number;
    };

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
  readonly prepareMessage: (bytes: Uint8Array) => Promise<PreparedMessage>;
  readonly checkStore: (options: { readonly repair: boolean }) => AsyncIterable<StoreCheckEvent>;
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Undefined while the server may take traffic, else why not. */
  readonly unreadyReason: () => string | undefined;
  readonly effectiveConfig: () => Record<string, unknown>;
  readonly reload: () => Promise<ReloadOutcome>;
  readonly version: string;
  readonly messageBytesMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
