// What a supervisor and its worker processes ask each other for. Both are always of one version: a worker is started by the
// supervisor from the same files.

import type { Endpoint, Reloaded } from '../running-server.ts';
import type { ListenPorts } from './held-ports.ts';

/** Of the workers of a machine, counted from 1. */
export const workerName = (number: number): string => `worker-${number}`;

export const isWorkerName = (name: string): boolean => /^worker-\d+$/.test(name);

/** What a worker is told when it starts. */
export interface WorkerOrders {
  /** Its name as a node of the machine's cluster. */
  readonly name: string;
  /** For its credentials. */
  readonly directory: string;
  /** Where the supervisor serves the store. */
  readonly enginePath: string;
  /** For its links to the other workers. */
  readonly links: { readonly path: string; readonly secret: string };
  /** Those that are already chosen in the places of 0. */
  readonly ports: ListenPorts;
  /** One of them has the admin API. */
  readonly hasAdmin: boolean;
  /** How many share the machine's memory. */
  readonly workers: number;
  readonly isPretty: boolean;
}

/** What the supervisor asks of a worker. */
export interface WorkerCalls {
  start(orders: WorkerOrders): Promise<readonly Endpoint[]>;
  reload(): Promise<Reloaded>;
  metrics(): Promise<string>;
  /** Answered at once; it ends when it has drained. */
  stop(): Promise<void>;
}

/** What a worker asks of the supervisor: the same of all workers. */
export interface SupervisorCalls {
  reload(): Promise<Reloaded>;
  metrics(): Promise<string>;
}
