// NOOP (RFC 9051 6.1.2): the dispatcher polls for it.

import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Noop completed');

export function noop(session: ImapSession): Reply {
  session.notifications?.lookForSharers();
  return done;
}
