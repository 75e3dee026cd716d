// How many sessions the accounts of this node have, on whichever nodes: counted when somebody asks, so that it costs
// sessions nothing. Who watches an account says with its watch how to ask it.
// Invariant: a watcher is asked for as long as its watch lives. One that does not answer in time is named with an unknown
// count; nothing fails.

import type { SessionService, WatchingSessions } from '../account/port.ts';
import type { Clock } from '../base/clock.ts';
import type { AccountId, NodeId } from '../mail/ids.ts';

/** Sessions of one account on one node. */
export interface NodeSessions {
  readonly node: NodeId;
  readonly service: SessionService;
  /** Undefined: the node did not say. */
  readonly sessions: number | undefined;
}

/** What watches an account for sessions of a node: one watch may serve several. */
export interface SessionWatcher {
  readonly node: NodeId;
  readonly service: SessionService;
  count(): Promise<number | undefined>;
}

/** A node that lives answers within milliseconds; a person waits for the sum. */
const countMsMax = 1_000;

export class SessionCensus {
  readonly #watchers = new Map<AccountId, Set<SessionWatcher>>();

  /** The result ends it. */
  join(accountId: AccountId, watcher: SessionWatcher): () => void {
    let watchers = this.#watchers.get(accountId);
    if (watchers === undefined) {
      watchers = new Set();
      this.#watchers.set(accountId, watchers);
    }
    watchers.add(watcher);
    return () => {
      if (watchers.delete(watcher) && watchers.size === 0 && this.#watchers.get(accountId) === watchers)
        this.#watchers.delete(accountId);
    };
  }

  /** One for each node and service that has any, by name. */
  async count(accountId: AccountId): Promise<NodeSessions[]> {
    const watchers = [...(this.#watchers.get(accountId) ?? [])];
    const counted = await Promise.all(
      watchers.map(async ({ node, service, count }) => ({ node, service, sessions: await count() })),
    );
    const sums = new Map<string, NodeSessions>();
    for (const { node, service, sessions } of counted) {
      const key = `${node} ${service}`;
      const before = sums.get(key);
      const sum = before === undefined ? sessions : plus(before.sessions, sessions);
      sums.set(key, { node, service, sessions: sum });
    }
    // A session that has just ended may still be watched for.
    return [...sums.keys()].sort().flatMap((key) => (sums.get(key)!.sessions === 0 ? [] : [sums.get(key)!]));
  }
}

function plus(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

/** The watcher of sessions on this node. */
export function watcherHere(node: NodeId, { service, count }: WatchingSessions): SessionWatcher {
  return { node, service, count: async () => count() };
}

interface Question {
  readonly node: NodeId;
  readonly answer: (count: number | undefined) => void;
}

/** Questions on their way to other nodes: said on the stream of a watch, answered by a call. */
export class SessionQuestions {
  readonly #clock: Clock;
  readonly #asked = new Map<number, Question>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `say` brings the question's number to the node. Undefined: no answer came in time. */
  ask(node: NodeId, say: (question: number) => Promise<void>): Promise<number | undefined> {
    const question = ++this.#last;
    return new Promise((resolve) => {
      const answer = (count: number | undefined): void => {
        timer.cancel();
        this.#asked.delete(question);
        resolve(count);
      };
      const timer = this.#clock.after(countMsMax, () => answer(undefined));
      this.#asked.set(question, { node, answer });
      say(question).catch(() => answer(undefined));
    });
  }

  /** What a node says; of questions that it was not asked nothing is heard. */
  answered(node: NodeId, question: number, count: number): void {
    const asked = this.#asked.get(question);
    if (asked?.node === node) asked.answer(count);
  }
}
