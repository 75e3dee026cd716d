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
  /**
   * For how long work that asks has held this turn of the event loop, in milliseconds from the first time that anybody asked:
   * whoever does long work shares the turn with all others who do. Those who yielded and go on have a count of their own, so
   * that neither they nor what comes in anew leave the other nothing.
   */
  turnMs(): number;
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
  ...loopTurns(),
};

/** Those who yielded go on in one turn until they have held it for so long together: a light one does not cost a turn each. */
const resumedMsMax = 4;
/** Of those who wait, in one turn. */
const resumedMax = 64;

/**
 * Those who wait go on in order, each when the one before has come to a stop, in one turn of the event loop as many as fit
 * into a slice: however many do long work in slices, a turn is as long as one slice, because immediates that are set while
 * immediates run belong to the next turn.
 */
function loopTurns(): Pick<Clock, 'yieldTurn' | 'turnMs'> {
  const waiting: (() => void)[] = [];
  let resuming = false;
  let startedAt: number | undefined;
  const begin = (): void => {
    startedAt = undefined;
  };
  const turnMs = (): number => {
    const now = performance.now();
    if (startedAt === undefined) {
      startedAt = now;
      setImmediate(begin);
    }
    return now - startedAt;
  };
  const resume = (): void => {
    if (turnMs() < resumedMsMax) waiting.shift()?.();
  };
  const finish = (): void => {
    begin();
    resuming = false;
    if (waiting.length > 0) resumeAll();
  };
  const resumeAll = (): void => {
    resuming = true;
    setImmediate(begin);
    const count = Math.min(waiting.length, resumedMax);
    for (let index = 0; index < count; index++) setImmediate(resume);
    setImmediate(finish);
  };
  return {
    yieldTurn: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (!resuming) resumeAll();
      }),
    turnMs,
  };
}
