// What a work that may hold the event loop works with: a running server, watched by the turn monitor.

import type { AdminClient } from '../../src/operator/admin-client.ts';
import type { RookeryTarget } from '../targets/rookery.ts';

export interface WorkPlace {
  readonly target: RookeryTarget;
  readonly admin: AdminClient;
  /** 1 is the full size. */
  readonly scale: number;
}

export interface Work {
  readonly name: string;
  /** Fills a mailbox that others look at. */
  readonly fills?: boolean;
  /** Only in these; left away: in all. */
  readonly layouts?: RegExp;
  /** The server ends in it: it is the last one. */
  readonly ends?: boolean;
  readonly run: (place: WorkPlace, watch: Watch) => Promise<void>;
}

/** Watches from its call on; what was done before is preparation. */
export type Watch = () => Promise<void>;
