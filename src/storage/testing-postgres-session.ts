// A connection to no server, for tests of what stands above one: answers as the test says.

import { ConnectionLost, type PostgresSession } from './postgres-session.ts';

/** The rows that a statement gets; throws what the server would refuse with. */
export type Answers = (statement: string) => readonly (readonly Buffer[])[] | Promise<never>;

export interface SessionOfNobody {
  readonly session: PostgresSession;
  /** The names of the statements that were run. */
  readonly asked: string[];
  /** Why it was destroyed; undefined when it was not. */
  destroyed(): string | undefined;
}

/** `endsLate`: a connection that was lost, of which `ended` does not tell yet. */
export function sessionOfNobody(answers: Answers, { endsLate = false } = {}): SessionOfNobody {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const asked: string[] = [];
  let why: string | undefined;
  const session: Partial<PostgresSession> = {
    address: 'nowhere',
    server: 'none',
    ended,
    onNotification: () => {},
    run: async ({ name }) => {
      if (why !== undefined) throw new ConnectionLost(why);
      asked.push(name);
      return { rows: await answers(name), warnings: [] };
    },
    destroy: (reason) => {
      why ??= reason;
      if (!endsLate) resolve();
    },
    close: async () => {
      why ??= 'closed';
      resolve();
    },
  };
  Object.defineProperty(session, 'isLost', { get: () => why !== undefined });
  Object.defineProperty(session, 'pending', { get: () => 0 });
  return { session: session as PostgresSession, asked, destroyed: () => why };
}
