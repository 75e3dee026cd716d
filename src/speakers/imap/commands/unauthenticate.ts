// UNAUTHENTICATE (RFC 8437): everything of the session but TLS is as at its beginning; compression ends with the answer.

import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Not authenticated any more');

export function unauthenticate(session: ImapSession): Reply {
  session.leave();
  if (!session.compressed) return done;
  return { ...done, afterwards: () => session.stopCompression() };
}
