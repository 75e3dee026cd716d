// What `serve` and `quickstart` see of a running server; compose.ts and compose-workers.ts make it.

import type { Logger } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { SupervisorCalls, WorkerOrders } from './workers/worker-messages.ts';

export interface Endpoint {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Keys of the configuration that a reload took over, and those that it could not. */
export interface Reloaded {
  readonly reloaded: readonly string[];
  readonly needRestart: readonly string[];
}

/** What `serve` runs until a signal. */
export interface RunningProgram {
  readonly log: Logger;
  readonly endpoints: readonly Endpoint[];
  /** Reads the configuration again and takes over what can be; says what cannot. */
  reload(): Promise<Reloaded>;
  /** Drains and closes, within limits.drain and a little. */
  close(): Promise<void>;
}

export interface RunningServer extends RunningProgram {
  /** For Prometheus, of this process. */
  metricsText(): Promise<string>;
}

/** Reads the configuration; `defaults` lie below the file's values. Throws when it is not right. */
export type ReadConfig = (defaults?: Record<string, unknown>) => Config;

export type StartServer = (readConfig: ReadConfig) => Promise<RunningServer>;

/** A server's place among the workers of its machine. */
export interface WorkerPlace {
  readonly orders: WorkerOrders;
  /** All workers, for the admin API of the one that has it. */
  readonly site: SupervisorCalls;
}

/** How `serve` goes on in several processes. */
export interface StartWorkers {
  /** Starts so many workers and keeps them running. */
  supervisor(readConfig: ReadConfig, workers: number): Promise<RunningProgram>;
  worker(readConfig: ReadConfig, place: WorkerPlace): Promise<RunningServer>;
}

/** Where and how a server joins a cluster before it starts. */
export interface JoinRequest {
  readonly token: string;
  readonly host: string;
  readonly port: number;
  readonly node: string;
}

/** What makes a machine a node; compose-join.ts does it. Both leave the node's credentials in the data directory. */
export interface NodeMaking {
  /** Makes a cluster of the store that the configuration names, and this machine its first node. */
  init(config: Config, node: string): Promise<{ readonly cluster: string; readonly node: string }>;
  /** Does nothing on a machine that is a node already. */
  join(config: Config, request: JoinRequest): Promise<void>;
}
