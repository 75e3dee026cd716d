// NAMESPACE (RFC 9051 6.3.10, RFC 2342).

import { formatNamespace } from '../../../wire/imap/format-list.ts';
import { otherUsersNamespace, sharedNamespace } from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const namespaces = {
  personal: [['', delimiter]],
  otherUsers: [[otherUsersNamespace + delimiter, delimiter]],
  shared: [[sharedNamespace + delimiter, delimiter]],
} as const;
const done = ok('Namespace completed');

export function namespace(session: ImapSession): Reply {
  session.connection.write(formatNamespace(namespaces, session));
  return done;
}
