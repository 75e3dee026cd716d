// What `serve` and `quickstart` see of a running server; compose.ts makes it.

import type { Config } from '../config/schema.ts';
import type { DirectoryAdministration } from '../directory/directory.ts';

export interface Endpoint {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface RunningServer {
  readonly endpoints: readonly Endpoint[];
  readonly directory: DirectoryAdministration;
  /** Takes over what can be; says what cannot. */
  reload(
    config: Config,
  ): Promise<{ readonly reloaded: readonly string[]; readonly needRestart: readonly string[] }>;
  /** Drains and closes, within limits.drain and a little. */
  close(): Promise<void>;
}

/** `reread` gives the configuration anew, for a reload asked for through the admin API. */
export type StartServer = (config: Config, reread: () => Config) => Promise<RunningServer>;
