// What a writer sends as one request: a group of batches, or a part of one that was split.

import type { PendingCommit } from '../group-commit.ts';
import { type MergedGroup, mergeGroup } from './postgres-merge.ts';

export interface Group {
  left: number;
  readonly done: () => void;
}

export interface Unit {
  readonly group: Group;
  readonly commits: readonly PendingCommit[];
  readonly merged: MergedGroup;
  /** None of its batches needs a standby, and none was attached. */
  readonly goesAlone: boolean;
  sequence: bigint;
  attempts: number;
  /** Sent on a connection that was lost before the answer. */
  isUnknown: boolean;
}

export function makeUnit(group: Group, commits: readonly PendingCommit[], goesAlone = false): Unit {
  const merged = mergeGroup(commits.map(({ batch }) => batch));
  return { group, commits, merged, goesAlone, sequence: 0n, attempts: 0, isUnknown: false };
}
