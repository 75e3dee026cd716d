// What a member is told (member-core.ts), and what it wants to have done: all that passes between the core and whoever runs it.
//
// Invariant: plain data; an action that is about an answer is followed by one event with its id, or by none when it is lost.

import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Entry } from '../../storage/engine.ts';
import type { FenceRows } from './cluster-change.ts';
import type { CommitOutcome, EngineAction } from './engine-talk.ts';
import type { HoldingAction } from './shard-holdings.ts';

export type MemberEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'signal' }
  | {
      readonly type: 'rowsRead';
      readonly id: number;
      readonly rows: readonly Entry[];
      readonly fences?: FenceRows;
    }
  | { readonly type: 'readFailed'; readonly id: number }
  | {
      readonly type: 'commitResult';
      readonly id: number;
      readonly outcome: CommitOutcome;
    }
  | { readonly type: 'shardReleased'; readonly shard: ShardId; readonly epoch: Epoch }
  /** The engine refused a commit of ours for its fence. */
  | { readonly type: 'shardFenced'; readonly shard: ShardId; readonly epoch: Epoch }
  /** The machine slept: its monotonic clock may have stood still, so no lease is to be trusted. */
  | { readonly type: 'slept' }
  /** The engine's server lacks commits of ours that were acknowledged. */
  | { readonly type: 'reverted' }
  | { readonly type: 'leave' };

export type MemberAction =
  | EngineAction
  | HoldingAction
  /** It is over: no further event changes anything. */
  | { readonly type: 'ended'; readonly reason: 'left' | 'removed' }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Record<string, unknown>;
    };
