// QUIT (RFC 1939 sections 4 and 6): in TRANSACTION the UPDATE state: what was marked is removed, in one commit, before
// the answer. When it cannot be, nothing is removed and the client hears so; the session ends either way.

import { Fault } from '../../../base/fault.ts';
import type { OperationId } from '../../../mail/ids.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import type { Maildrop } from '../maildrop.ts';
import type { Pop3Session } from '../pop3-session.ts';

export function quit(session: Pop3Session): Promise<void> | undefined {
  const { maildrop } = session;
  if (maildrop !== undefined) return update(session, maildrop);
  session.ok('bye');
  session.state = 'ended';
  return undefined;
}

async function update(session: Pop3Session, maildrop: Maildrop): Promise<void> {
  const marked = maildrop.length - maildrop.remaining;
  try {
    // The only one of the session.
    const operation = `${session.connection.traceId}.0` as OperationId;
    await maildrop.commit(operation);
    // Before the answer: a client that comes back at once finds the maildrop free.
    session.maildrop = undefined;
    await maildrop.close();
    session.ok(marked === 0 ? 'bye' : `${marked} messages deleted, bye`);
  } catch (error) {
    if (!(error instanceof Fault) && !isMailError(error)) throw error;
    session.connection.log.error({ err: error, marked }, 'marked messages were not deleted');
    session.err(`${marked} messages were not deleted, try again later`, 'SYS/TEMP');
  }
  session.state = 'ended';
}
