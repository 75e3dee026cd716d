// NAMESPACE (RFC 9051 6.3.10): one personal namespace, no others yet.

import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Namespace completed');

export function namespace(session: ImapSession): Reply {
  session.connection.write('* NAMESPACE (("" "/")) NIL NIL\r\n');
  return done;
}
