// What each refusal says to a POP3 client: one line for every kind (STYLE 8). RFC 3206: AUTH is about the client's
// credentials, SYS/TEMP and SYS/PERM about us; IN-USE (RFC 2449 8.1.2) about another session.

import type { MailError, MailErrorKind } from '../../mail/mail-error.ts';
import { errLine, type Pop3ResponseCode } from '../../wire/pop3/format-reply.ts';

type Answer = readonly [text: string, code?: Pop3ResponseCode];

const temporary: Answer = ['not available now, try again later', 'SYS/TEMP'];
const permanent: Answer = ['this account has no maildrop', 'SYS/PERM'];

const answers: Record<MailErrorKind, Answer> = {
  noSuchMailbox: permanent,
  mailboxExists: permanent,
  mailboxNotSelectable: permanent,
  invalidMailboxName: permanent,
  noSuchMessage: ['no such message'],
  noSuchAccount: permanent,
  accountDisabled: ['user or password is wrong', 'AUTH'],
  permissionDenied: ['permission denied', 'SYS/PERM'],
  authenticationFailed: ['user or password is wrong', 'AUTH'],
  overQuota: temporary,
  messageTooLarge: permanent,
  tooManyKeywords: permanent,
  // The throttle: not AUTH, or the client would ask its user for another password.
  limitReached: ['too many failed logins, try again later', 'SYS/TEMP'],
  conflict: temporary,
  invalidArgument: ['invalid argument'],
  inUse: ['another session has this maildrop', 'IN-USE'],
  unavailable: temporary,
  storageFull: temporary,
  notSupported: ['not supported'],
};

export function refusalLine(error: MailError): string {
  const [text, code] = answers[error.kind];
  return errLine(text, code);
}

/** For faults: the client learns nothing, the log all of it. */
export function faultLine(): string {
  return errLine(...temporary);
}
