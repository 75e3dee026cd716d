// A workload runs in the generator's process against one target and gives figures. `better` says which way is good, so that
// a ratio above 1 always means "better than the peer".

import type { TargetPlace } from '../target.ts';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
}

export interface WorkloadOptions {
  /** Scales message counts: 1 is the full run. */
  readonly scale: number;
}

export type Workload = (target: TargetPlace, options: WorkloadOptions) => Promise<Figure[]>;
