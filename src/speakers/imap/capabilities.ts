// What the server says it can do, by the session's state (RFC 9051 6.1.1). Invariant: only what works is named.
// The texts are made once for each combination; nothing fails.

import type { Capability } from '../../wire/imap/capability.ts';
import { saslMechanisms } from '../../wire/sasl/sasl.ts';
import type { ImapLimits } from './imap-limits.ts';
import type { ImapSession } from './session.ts';

/** ENABLE needs a login, but Python's imaplib looks for it only in what it was told before. */
const always: readonly Capability[] = ['IMAP4rev1', 'IMAP4rev2', 'LITERAL+', 'SASL-IR', 'ID', 'ENABLE'];

/** Only after the login: it keeps the greeting short, and strangers need none of it. */
const authenticated: readonly Capability[] = [
  'IDLE',
  'INPROGRESS',
  'UIDPLUS',
  'UIDONLY',
  'MOVE',
  'NAMESPACE',
  'CHILDREN',
  'UNSELECT',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'LIST-METADATA',
  'LIST-MYRIGHTS',
  'ACL',
  'RIGHTS=texk',
  'METADATA',
  'STATUS=SIZE',
  'COMPRESS=DEFLATE',
  'CONDSTORE',
  'QRESYNC',
  'ESEARCH',
  'SEARCHRES',
  'SORT',
  'SORT=DISPLAY',
  'ESORT',
  'THREAD=ORDEREDSUBJECT',
  'THREAD=REFERENCES',
  'THREAD=REFS',
  'CONTEXT=SEARCH',
  'CONTEXT=SORT',
  'PARTIAL',
  'MULTISEARCH',
  'SEARCH=FUZZY',
  'I18NLEVEL=1',
  'WITHIN',
  'FILTERS',
  'QUOTA',
  'QUOTA=RES-STORAGE',
  'QUOTA=RES-MESSAGE',
  'NOTIFY',
  'OBJECTID',
  'SAVEDATE',
  'PREVIEW',
  'BINARY',
  'MULTIAPPEND',
  'CATENATE',
  'REPLACE',
  'UTF8=ACCEPT',
];

/** What stands behind `* CAPABILITY` now. */
export function capabilities(session: ImapSession): readonly Capability[] {
  const { environment, connection } = session;
  if (session.state !== 'notAuthenticated') return environment.capabilities;
  const { tls } = connection;
  const offered: Capability[] = [...always];
  if (tls === undefined && environment.offersTls) offered.push('STARTTLS');
  const mechanisms = saslMechanisms({ tls, allowCleartext: environment.allowCleartextLogin });
  if (mechanisms.length === 0) offered.push('LOGINDISABLED');
  for (const name of mechanisms) offered.push(`AUTH=${name}`);
  return offered;
}

/** Those of sessions with an account, made once. */
export function authenticatedCapabilities(
  limits: ImapLimits,
  { setsQuotas, unauthenticates }: { readonly setsQuotas: boolean; readonly unauthenticates: boolean },
): readonly Capability[] {
  const { appendBytesMax, messagesMax } = limits;
  const offered: Capability[] = [...always, ...authenticated, `APPENDLIMIT=${appendBytesMax}`];
  if (setsQuotas) offered.push('QUOTASET');
  if (unauthenticates) offered.push('UNAUTHENTICATE');
  if (messagesMax !== undefined) offered.push(`MESSAGELIMIT=${messagesMax}`);
  return offered;
}

/** LOGIN and AUTHENTICATE are allowed on this connection now. */
export function loginAllowed(session: ImapSession): boolean {
  return session.connection.tls !== undefined || session.environment.allowCleartextLogin;
}
