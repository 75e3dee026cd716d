// How long each account was without service: the time from each fault to the first success of something asked after it.
// Printed as a table, a row for each kind of fault; with CLUSTER_REPORT=FILE also kept, one line of JSON for each load, so
// that long runs by hand can be compared. Nothing here fails a test: times depend on the machine.

import { appendFileSync } from 'node:fs';
import { systemClock } from '../../src/base/clock.ts';

interface Fault {
  readonly kind: string;
  /** Milliseconds, monotonic. */
  readonly at: number;
  /** Users to their first success, milliseconds from the fault. */
  readonly successes: Map<string, number>;
}

interface Times {
  readonly accounts: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly longestMs: number | undefined;
}

/** Of a whole load, beside the times. */
export interface LoadFacts {
  /** What ran, with what repeats it: the test's title has the seed. */
  readonly title: string;
  readonly nodes: number;
  /** Acknowledged messages by who sent them. */
  readonly acknowledged: Readonly<Record<string, number>>;
  readonly disconnects: number;
  readonly failedCommands: number;
}

export class FaultReport {
  readonly #startedAt = systemClock.monotonic();
  readonly #faults: Fault[] = [];

  begin(kind: string): void {
    this.#faults.push({ kind, at: systemClock.monotonic(), successes: new Map() });
  }

  worked(user: string, askedAt: number): void {
    const now = systemClock.monotonic();
    for (const { at, successes } of this.#faults)
      if (askedAt >= at && !successes.has(user)) successes.set(user, Math.round(now - at));
  }

  /** Those of these users for whom nothing has worked since the last fault. */
  waiting(users: readonly string[]): string[] {
    const last = this.#faults.at(-1);
    return last === undefined ? [] : users.filter((user) => !last.successes.has(user));
  }

  get last(): string {
    return this.#faults.at(-1)?.kind ?? 'nothing';
  }

  print(facts: LoadFacts): void {
    const kinds = this.#kinds();
    const width = Math.max(...Object.keys(kinds).map((kind) => kind.length));
    const row = (kind: string, cells: readonly unknown[]): void =>
      say([kind.padEnd(width), ...cells.map((cell) => String(cell).padStart(8))].join(' '));
    say('first success per account after a fault, milliseconds');
    row('', ['times', 'accounts', 'p50', 'p99', 'longest']);
    for (const [kind, { times, accounts, p50Ms, p99Ms, longestMs }] of Object.entries(kinds))
      row(kind, [times, accounts, p50Ms, p99Ms, longestMs]);
    const sent = Object.entries(facts.acknowledged).map(([sender, count]) => `${count} of ${sender}`);
    say(`messages acknowledged: ${sent.join(', ')}; 0 lost, 0 doubled`);
    say(`${facts.disconnects} disconnects, ${facts.failedCommands} failed commands`);
  }

  /** Where CLUSTER_REPORT says; nowhere without it. */
  keep(facts: LoadFacts): void {
    const file = process.env.CLUSTER_REPORT;
    if (file === undefined || file === '') return;
    const faults = this.#faults.map(({ kind, at, successes }) => ({
      kind,
      afterMs: Math.round(at - this.#startedAt),
      ...timesOf([...successes.values()]),
      firstSuccessMs: Object.fromEntries(successes),
    }));
    const record = { at: new Date(systemClock.now()).toISOString(), ...facts, kinds: this.#kinds(), faults };
    appendFileSync(file, `${JSON.stringify(record)}\n`);
  }

  /** All faults of a kind together: an account counts once for each. */
  #kinds(): Record<string, Times & { readonly times: number }> {
    return Object.fromEntries(
      Map.groupBy(this.#faults, ({ kind }) => kind)
        .entries()
        .map(([kind, faults]) => [
          kind,
          { times: faults.length, ...timesOf(faults.flatMap(({ successes }) => [...successes.values()])) },
        ]),
    );
  }
}

function timesOf(milliseconds: readonly number[]): Times {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  const at = (share: number): number | undefined =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { accounts: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: sorted.at(-1) };
}

function say(text: string): void {
  process.stdout.write(`# ${text}\n`);
}
