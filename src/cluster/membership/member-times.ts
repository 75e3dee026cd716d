// The times a cluster lives by. All nodes of a cell use the same: a controller counts on it.
//
// Why nobody serves a shard that another one has: a node's lease runs from the moment its heartbeat was *sent* to
// leaseMs - marginMs later, on its own clock; whoever declares it dead counts leaseMs from the moment it *saw* that
// heartbeat, on its own clock. Seeing is later than sending, so the clocks' origins do not matter, only that they run
// equally fast, and the margin is for that: it holds while rates differ by less than marginMs / (leaseMs + releaseMs).

import { assert } from '../../base/assert.ts';

export interface MemberTimes {
  /** How often a node renews its row. */
  readonly heartbeatMs: number;
  /** How often it reads the rows when no signal asks for it. */
  readonly pollMs: number;
  /** How long a node may be silent: more is fewer false alarms and a longer pause when one dies. */
  readonly leaseMs: number;
  /** How much sooner a node stops by itself. */
  readonly marginMs: number;
  /** In a planned move: how long the old host may go on with what it has begun. */
  readonly releaseMs: number;
  /** What has not been answered for so long, a heartbeat or a read, is sent a second time, the heartbeat on another connection. */
  readonly againMs: number;
  /** An engine that has not answered for so long is asked again; the answer, when it comes, is not used. */
  readonly answerMs: number;
  /** How long a node that stops waits for others to take its shards. */
  readonly leaveMs: number;
}

/**
 * A node that is killed is declared dead leaseMs after it was last seen to live, at most pollMs late: its shards are
 * served again 3 to 4 seconds after the kill. A node rides out 2.7 seconds in which the engine answers nobody.
 */
export const memberTimesDefault: MemberTimes = Object.freeze({
  heartbeatMs: 1_000,
  pollMs: 500,
  leaseMs: 3_000,
  marginMs: 300,
  releaseMs: 2_000,
  againMs: 700,
  answerMs: 3_000,
  leaveMs: 5_000,
});

/** Two clocks whose rates differ by up to 1 % each way. */
const clockDriftMax = 0.02;

export function checkTimes(times: MemberTimes): MemberTimes {
  const { heartbeatMs, leaseMs, marginMs, releaseMs, againMs } = times;
  assert(heartbeatMs * 2 < leaseMs - marginMs, 'a lease must outlive a lost heartbeat');
  assert(heartbeatMs + 2 * againMs < leaseMs - marginMs, 'a lease must outlive heartbeats that hang');
  assert(marginMs >= (leaseMs + releaseMs) * clockDriftMax, 'the margin must cover how far clocks run apart');
  return times;
}
