// For tests of fairness: a clock that tells how often work gave others a turn, without measuring time.

import { type Clock, systemClock } from './clock.ts';

export interface SlowTurns extends Clock {
  /** Turns that work which yielded has given. */
  turnsGiven: number;
}

/** Every look at how long the turn has run takes a millisecond: a slice is five looks. */
export function slowTurns(): SlowTurns {
  let ranMs = 0;
  const clock = {
    ...systemClock,
    turnsGiven: 0,
    turnMs: () => ranMs++,
    yieldTurn: async () => {
      await systemClock.yieldTurn();
      clock.turnsGiven++;
      ranMs = 0;
    },
  };
  return clock;
}
