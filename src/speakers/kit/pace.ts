// Paces what thousands of connections ask for in one moment: clients that leave or come together, sessions told that the
// server drains. Each such step is short, all of them in one turn of the event loop are not.
// Invariant: every call is made once, and those that wait in the order they came; one that comes when the loop is free again
// may overtake them. What waits is bounded by whoever asks: each connection for a few calls in its life. A call must not throw.

import type { Clock } from '../../base/clock.ts';

/** A turn that was held for less takes a call at once: nothing waits as long as few connections ask. */
const lightTurnMs = 0.5;

export type Pace = (call: () => void) => void;

export function pacedBy(clock: Clock): Pace {
  return (call) => {
    if (clock.turnMs() < lightTurnMs) call();
    else void clock.yieldTurn().then(call);
  };
}
