// UNSELECT (RFC 9051 6.4.2, RFC 3691).

import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Unselect completed');

export function unselect(session: ImapSession): Reply {
  session.unselect();
  return done;
}
