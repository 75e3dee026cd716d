// INPROGRESS (RFC 9585): a client that waits long for an answer is told that work goes on. Only for commands that write
// whole lines, or nothing until they are done: a line in the middle of a literal would be taken for its content.
// Nothing fails; the timer ends with the command.

import type { Timer } from '../../base/clock.ts';
import { formatStatusResponse, inProgressCode } from '../../wire/imap/response-code.ts';
import type { ImapSession } from './session.ts';

/** RFC 9585 section 4: servers should begin after about 10 seconds and go on at about as long intervals. */
const intervalMs = 10_000;

export async function withProgress<T>(
  session: ImapSession,
  tag: string,
  work: () => T | Promise<T>,
): Promise<T> {
  const { clock } = session.environment;
  let timer: Timer;
  const tell = (): void => {
    session.connection.write(formatStatusResponse('*', 'OK', 'Still working', inProgressCode(tag)));
    timer = clock.after(intervalMs, tell);
  };
  timer = clock.after(intervalMs, tell);
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}
