// What the embedded engine does for other processes of its machine beside what every engine does: it takes groups of commits
// as those packed them, and says how far they can see them in the file themselves.

import type { Engine } from '../engine.ts';

/** Batches as group-codec.ts packs them. */
export interface PackedGroup {
  /** Never changed again. They are copied to the writer with all that is in the same memory. */
  readonly bytes: Buffer;
  /** Of each batch: whom to tell once it is durable. Fewer than batches: the rest has none. */
  readonly signals: readonly (readonly string[])[];
}

/** The group is durable. */
export interface GroupOutcome {
  /** Of each batch (commit-outcomes.ts). */
  readonly outcomes: readonly number[];
  /** The writer's transaction that it is part of: it goes to the file as a whole. */
  readonly transaction: number;
  /** Its number in the journal; the file has it when `recordedSequence` says so many or more (recorded-sequence.ts). */
  readonly sequence: number;
}

export interface EmbeddedEngine extends Engine {
  /** Applies the batches in their order among those of `commit`. Rejects as that does when the group failed as a whole. */
  commitPacked(group: PackedGroup): Promise<GroupOutcome>;
}
