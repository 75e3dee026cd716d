// IDLE (RFC 9051 6.3.13, RFC 2177): tells changes as they happen until the client says DONE. An account's event sets
// `stale` and calls `wake`; tells run one after another, and what happens meanwhile makes one more. Waiting costs
// one closure and one promise.

import { isDone } from '../../../wire/imap/continuation-line.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { errorResponse } from '../mail-error-responses.ts';
import { tellNotifications } from '../notify/tell-notifications.ts';
import { bad, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { tellUpdates } from '../updates.ts';

/** `DONE` and its line end; anything longer is not DONE. */
const lineBytesMax = 1024;

const done = ok('Idle completed');
const notDone = bad('Expected DONE');

export async function idle(session: ImapSession): Promise<Reply> {
  const { connection, environment } = session;
  connection.write('+ idling\r\n');
  let telling: Promise<void> | undefined;
  session.wake = () => {
    telling ??= tellWhileStale(session).finally(() => {
      telling = undefined;
    });
  };
  try {
    // RFC 9051 6.3.13: what happened before is told at once.
    if (session.view !== undefined) session.stale = true;
    session.notifications?.lookForSharers();
    session.wake();
    for (;;) {
      const line = connection.takeLine(lineBytesMax);
      if (line !== undefined) return isDone(line) ? done : notDone;
      if (!(await connection.fill(environment.limits.idleTimeoutMs))) throw new ConnectionClosed();
    }
  } finally {
    session.wake = undefined;
    await telling;
  }
}

async function tellWhileStale(session: ImapSession): Promise<void> {
  const { connection, environment } = session;
  const { slicer } = environment;
  try {
    while (session.state === 'selected' && session.stale && session.farewell === undefined) {
      // A thousand sessions may wait for one mailbox.
      if (slicer.due()) await slicer.rest();
      await tellUpdates(session, true);
      // Nothing more is told to a client that does not read; in the end it is cut off.
      if (connection.congested) await connection.drain();
    }
    // RFC 5465 section 4.
    while (session.notifications?.pending === true) await tellNotifications(session);
  } catch (error) {
    // The account is away for now: the next event, or the next command, tries again. A bug ends the session.
    connection.log.warn({ err: error }, 'idle updates could not be told');
    if (errorResponse(error) === undefined) connection.destroy();
  }
  if (session.farewell !== undefined) {
    connection.write(`* BYE ${session.farewell}\r\n`);
    await connection.end();
  }
}
