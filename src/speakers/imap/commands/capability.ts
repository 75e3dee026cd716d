// CAPABILITY (RFC 9051 6.1.1).

import { formatCapability } from '../../../wire/imap/capability.ts';
import { capabilities } from '../capabilities.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Capability completed');

export function capability(session: ImapSession): Reply {
  session.connection.write(formatCapability(capabilities(session)));
  return done;
}
