// Commits that the server has, and of which no standby has said so, because there was none any more when they were answered or found:
// they wait for one to come back, while the writer's line goes on with what needs none.
//
// Invariant: none is said to be committed before a standby has it, by a commit behind it that waited for the standby, on a
// server that has the group. After the limit nobody can tell what will be left of it: UnknownOutcomeFault.

import type { Clock } from '../../base/clock.ts';
import type { PendingCommit } from '../group-commit.ts';
import { UnknownOutcomeFault } from '../unknown-outcome.ts';
import type { PostgresSession } from './postgres-session.ts';
import { hasGroup, isOnStandby, type WriterIdentity } from './postgres-takeover.ts';

const pollMs = 200;

interface Held {
  readonly sequence: bigint;
  readonly commits: readonly PendingCommit[];
  readonly until: number;
}

export interface UnconfirmedCommitsOptions {
  readonly identity: WriterIdentity;
  readonly limitMs: number;
  /** Where the writer is now; undefined while it is nowhere. */
  readonly session: () => PostgresSession | undefined;
  /** What became certain. */
  readonly confirmed: (sequence: bigint, commits: readonly PendingCommit[]) => void;
  readonly clock: Clock;
}

export class UnconfirmedCommits {
  readonly #options: UnconfirmedCommitsOptions;
  #held: Held[] = [];
  #isAsking = false;

  constructor(options: UnconfirmedCommitsOptions) {
    this.#options = options;
  }

  hold(sequence: bigint, commits: readonly PendingCommit[]): void {
    const { clock, limitMs } = this.#options;
    this.#held.push({ sequence, commits, until: clock.monotonic() + limitMs });
    if (!this.#isAsking) void this.#ask();
  }

  /** Who waits is told that nobody knows. */
  close(): void {
    this.#giveUp(() => true);
  }

  async #ask(): Promise<void> {
    const { clock, session: current } = this.#options;
    this.#isAsking = true;
    while (this.#held.length > 0) {
      await clock.sleep(pollMs);
      const session = current();
      if (session !== undefined) await this.#confirm(session);
      const now = clock.monotonic();
      this.#giveUp(({ until }) => until <= now);
    }
    this.#isAsking = false;
  }

  /** Never rejects: a session that is lost is followed by another one. */
  async #confirm(session: PostgresSession): Promise<void> {
    const { identity, confirmed } = this.#options;
    const asked = this.#held;
    const there = new Set<Held>();
    try {
      for (const held of asked) if (await hasGroup(session, identity, held.sequence)) there.add(held);
      if (!(await isOnStandby(session, identity))) return;
    } catch {
      return;
    }
    const isNow = (held: Held): boolean => there.has(held) && this.#held.includes(held);
    const certain = asked.filter(isNow);
    this.#held = this.#held.filter((held) => !there.has(held));
    for (const { sequence, commits } of certain) confirmed(sequence, commits);
  }

  #giveUp(isDue: (held: Held) => boolean): void {
    const due = this.#held.filter(isDue);
    this.#held = this.#held.filter((held) => !due.includes(held));
    const unknown = new UnknownOutcomeFault('written, but no synchronous standby has it');
    for (const { commits } of due) for (const pending of commits) pending.reject(unknown);
  }
}
