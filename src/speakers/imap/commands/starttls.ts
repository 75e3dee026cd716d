// STARTTLS (RFC 9051 6.2.1, RFC 2595). What the client sent in the clear behind it is refused: it might not be the
// client's (CVE-2011-0411).

import { bad, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

export function startTls(session: ImapSession): Reply {
  const { connection, environment } = session;
  if (connection.tls !== undefined) return bad('TLS is active already');
  if (!environment.offersTls) return bad('TLS is not available here');
  if (connection.bufferedBytes > 0) {
    session.farewell = 'Nothing may follow STARTTLS before the handshake';
    return bad('Nothing may follow STARTTLS before the handshake');
  }
  return { ...ok('Begin TLS negotiation now'), afterwards: () => connection.startTls() };
}
