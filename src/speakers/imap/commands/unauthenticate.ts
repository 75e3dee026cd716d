// UNAUTHENTICATE (RFC 8437): everything of the session but TLS is as at its beginning; compression ends with the answer. An
// operator may do without it, as its section 8 demands.

import { bad, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Not authenticated any more');

export function unauthenticate(session: ImapSession): Reply {
  if (!session.environment.capabilities.includes('UNAUTHENTICATE')) return bad('Not available here');
  session.leave();
  if (!session.compressed) return done;
  return { ...done, afterwards: () => session.stopCompression() };
}
