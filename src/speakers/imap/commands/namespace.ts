// NAMESPACE (RFC 9051 6.3.10): one personal namespace, no others yet.

import { formatNamespace } from '../../../wire/imap/format-list.ts';
import { delimiter } from '../mailbox-names.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Namespace completed');

export function namespace(session: ImapSession): Reply {
  session.connection.write(formatNamespace([['', delimiter]], session));
  return done;
}
