// IDLE (RFC 9051 6.3.13, RFC 2177): tells changes as they happen until the client says DONE. An account's event sets
// `stale` and calls `wake`; tells run one after another, and what happens meanwhile makes one more. Waiting costs
// one closure and one promise.

import { isDone } from '../../../wire/imap/continuation-line.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { bad, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { tellUpdates } from '../updates.ts';

/** `DONE` and its line end; anything longer is not DONE. */
const lineBytesMax = 1024;

const done = ok('Idle completed');
const notDone = bad('Expected DONE');

export async function idle(session: ImapSession): Promise<Reply> {
  const { connection } = session;
  connection.write('+ idling\r\n');
  let telling: Promise<void> | undefined;
  session.wake = () => {
    telling ??= tellWhileStale(session).finally(() => {
      telling = undefined;
    });
  };
  try {
    // RFC 9051 6.3.13: what happened before is told at once.
    if (session.view !== undefined) {
      session.stale = true;
      session.wake();
    }
    const line = await waitForLine(session);
    return isDone(line) ? done : notDone;
  } finally {
    session.wake = undefined;
    await telling;
  }
}

async function waitForLine(session: ImapSession): Promise<Buffer> {
  const { connection, environment } = session;
  for (;;) {
    const line = connection.takeLine(lineBytesMax);
    if (line !== undefined) return line;
    const more = await connection.fill(environment.limits.idleTimeoutMs);
    if (!more) throw new ConnectionClosed();
  }
}

async function tellWhileStale(session: ImapSession): Promise<void> {
  const { connection } = session;
  try {
    while (session.state === 'selected' && session.stale && session.farewell === undefined) {
      await tellUpdates(session, true);
    }
  } catch (error) {
    // The account is away for now: the next event, or the next command, tries again.
    connection.log.debug({ error }, 'idle updates could not be told');
  }
  if (session.farewell !== undefined) {
    connection.write(`* BYE ${session.farewell}\r\n`);
    await connection.end();
  }
}
