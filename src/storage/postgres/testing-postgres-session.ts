// A connection to no server, for tests of what stands above one: answers as the test says.

import { ConnectionLost, type PostgresSession } from './postgres-session.ts';

type Rows = readonly (readonly Buffer[])[];

/** The rows that a statement gets; throws what the server would refuse with. */
export type Answers = (statement: string) => Rows | Promise<Rows>;

export interface SessionOfNobody {
  readonly session: PostgresSession;
  /** The names of the statements that were run. */
  readonly asked: string[];
  /** Why it was destroyed; undefined when it was not. */
  destroyed(): string | undefined;
}

/** `endsLate`: a connection that was lost, of which `ended` does not tell yet; `heardAt`: when it answered last. */
export function sessionOfNobody(
  answers: Answers,
  { endsLate = false, heardAt = Number.POSITIVE_INFINITY } = {},
): SessionOfNobody {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const asked: string[] = [];
  let why: string | undefined;
  let pending = 0;
  const session: Partial<PostgresSession> = {
    address: 'nowhere',
    heardAt,
    isLate: false,
    server: 'none',
    ended,
    onNotification: () => {},
    run: async ({ name }) => {
      if (why !== undefined) throw new ConnectionLost(why);
      asked.push(name);
      pending++;
      try {
        return { rows: await answers(name), warnings: [] };
      } finally {
        pending--;
      }
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
  Object.defineProperty(session, 'pending', { get: () => pending });
  return { session: session as PostgresSession, asked, destroyed: () => why };
}
