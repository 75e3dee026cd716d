// The only source of time (STYLE 6). `now` is wall-clock milliseconds, `monotonic` never steps back and is
// what leases, deadlines and timeouts use. Tests and the simulator pass their own Clock.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC; may step when the machine's clock is set. */
  now(): number;
  /** Milliseconds from an arbitrary origin; never steps back. */
  monotonic(): number;
  /** Calls back once after `delayMs`, at the earliest on the next turn of the event loop. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
  /** Resolves after `delayMs`. */
  sleep(delayMs: number): Promise<void>;
  /** Resolves when what came in this turn of the event loop has been handled: for work that gathers. */
  nextTurn(): Promise<void>;
  /** Resolves on a later turn of the event loop, in line with others who yield: how long work gives others a turn. */
  yieldTurn(): Promise<void>;
}

/** What setTimeout can count: 24 days. A longer delay would fire at once. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, Math.min(delayMs, timerMsMax));
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  sleep: (delayMs) =>
    new Promise((resolve) => {
      setTimeout(resolve, delayMs);
    }),
  nextTurn: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
  yieldTurn: turnQueue(),
};

/**
 * One who waits goes on in each turn of the event loop, in order: however many do long work in slices, a turn is as long
 * as one slice, because immediates that are set while immediates run belong to the next turn.
 */
function turnQueue(): () => Promise<void> {
  const waiting: (() => void)[] = [];
  const runNext = (): void => {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(runNext);
  };
  return () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(runNext);
    });
}
