// CAPA (RFC 2449): what this server can do, here and now.

import type { Pop3Session } from '../pop3-session.ts';
import { offeredMechanisms } from './auth.ts';

export function capa(session: Pop3Session): undefined {
  const { environment, connection, state } = session;
  const lines = ['+OK capabilities follow', 'TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING'];
  if (session.mayLogIn) lines.push('USER', `SASL ${offeredMechanisms(session).join(' ')}`);
  // RFC 2595 section 4: announced in AUTHORIZATION only, and gone once TLS is there.
  if (environment.offersTls && connection.tls === undefined && state === 'authorization') lines.push('STLS');
  // RFC 6856: USER: names and passwords may be UTF-8.
  lines.push('UTF8 USER', 'LANG', 'EXPIRE NEVER');
  const { seconds } = environment.loginDelay;
  if (seconds > 0) lines.push(`LOGIN-DELAY ${seconds}`);
  lines.push('IMPLEMENTATION Rookery', '.', '');
  connection.write(lines.join('\r\n'));
}
