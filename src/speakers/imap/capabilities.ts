// What the server says it can do, by the session's state (RFC 9051 6.1.1). Invariant: only what works is named.
// The texts are made once for each combination; nothing fails.

import { saslMechanisms } from '../../wire/sasl/sasl.ts';
import type { ImapSession } from './session.ts';

const always = 'IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE';

/** Only after the login: it keeps the greeting short, and strangers need none of it. */
const authenticated = [
  'IDLE',
  'UIDPLUS',
  'MOVE',
  'NAMESPACE',
  'CHILDREN',
  'UNSELECT',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'STATUS=SIZE',
  'CONDSTORE',
  'ESEARCH',
  'SEARCHRES',
  'WITHIN',
  'OBJECTID',
  'SAVEDATE',
  'PREVIEW',
  'BINARY',
  'MULTIAPPEND',
  'UTF8=ACCEPT',
].join(' ');

export function capabilityText(session: ImapSession): string {
  const { environment, connection } = session;
  if (session.state !== 'notAuthenticated') {
    return `CAPABILITY ${always} ${authenticated} APPENDLIMIT=${environment.limits.appendBytesMax}`;
  }
  const tls = connection.tls;
  const startTls = tls === undefined && environment.offersTls ? ' STARTTLS' : '';
  const mechanisms = saslMechanisms({ tls, allowCleartext: environment.allowCleartextLogin });
  if (mechanisms.length === 0) return `CAPABILITY ${always}${startTls} LOGINDISABLED`;
  return `CAPABILITY ${always}${startTls} ${mechanisms.map((name) => `AUTH=${name}`).join(' ')}`;
}

/** LOGIN and AUTHENTICATE are allowed on this connection now. */
export function loginAllowed(session: ImapSession): boolean {
  return session.connection.tls !== undefined || session.environment.allowCleartextLogin;
}
