// STLS (RFC 2595 section 4). What was said before TLS counts for nothing after it.

import type { Pop3Session } from '../pop3-session.ts';

export function stls(session: Pop3Session): Promise<void> | undefined {
  const { environment, connection } = session;
  if (!environment.offersTls || connection.tls !== undefined) {
    session.err('TLS cannot be started here');
    return undefined;
  }
  // RFC 6856 2.1: a client must not start TLS after UTF8.
  if (session.utf8) {
    session.err('TLS comes before UTF8');
    return undefined;
  }
  if (connection.bufferedBytes > 0) {
    // Somebody may have put commands behind STLS that would count as sent under TLS (CVE-2011-0411).
    session.err('nothing may follow STLS');
    session.state = 'ended';
    return undefined;
  }
  session.user = undefined;
  session.ok('begin TLS');
  return connection.startTls();
}
