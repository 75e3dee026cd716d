// LOGOUT (RFC 9051 6.1.3).

import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Logout completed');

export function logout(session: ImapSession): Reply {
  session.connection.write('* BYE Logging out\r\n');
  session.release();
  return done;
}
