// How refusals and faults read in IMAP: one exhaustive table of MailErrorKind to response code and text (RFC 5530,
// RFC 9051 7.1). A new kind does not compile until it has an answer here. Texts are ours, never the error's own:
// that one goes to the log.

import { Fault } from '../../base/fault.ts';
import { MailError, type MailErrorKind } from '../../mail/mail-error.ts';
import { ImapSyntaxError } from '../../wire/imap/imap-syntax-error.ts';
import type { ResponseCode } from '../../wire/imap/response-code.ts';

/** The tagged answer: `status code text`, without the tag. */
export interface ErrorResponse {
  readonly status: 'NO' | 'BAD';
  /** Response code without brackets; undefined: none. */
  readonly code: ResponseCode | undefined;
  readonly text: string;
}

const no = (code: ResponseCode | undefined, text: string): ErrorResponse => ({ status: 'NO', code, text });

const responses: Readonly<Record<MailErrorKind, ErrorResponse>> = {
  noSuchMailbox: no('NONEXISTENT', 'No such mailbox'),
  mailboxExists: no('ALREADYEXISTS', 'Mailbox already exists'),
  mailboxNotSelectable: no('NONEXISTENT', 'Mailbox is only a place in the hierarchy'),
  invalidMailboxName: no('CANNOT', 'Invalid mailbox name'),
  noSuchMessage: no('EXPUNGEISSUED', 'Some of the messages are gone'),
  noSuchAccount: no('UNAVAILABLE', 'No such account'),
  accountDisabled: no('UNAVAILABLE', 'Account is disabled'),
  permissionDenied: no('NOPERM', 'Permission denied'),
  authenticationFailed: no('AUTHENTICATIONFAILED', 'Authentication failed'),
  overQuota: no('OVERQUOTA', 'Over quota'),
  messageTooLarge: no('TOOBIG', 'Message is too large'),
  tooManyKeywords: no('LIMIT', 'Too many keywords in this mailbox'),
  limitReached: no('LIMIT', 'Limit reached, try again later'),
  conflict: no('ALREADYEXISTS', 'Conflicts with what is there'),
  invalidArgument: no('CANNOT', 'Invalid argument'),
  inUse: no('INUSE', 'In use by another session'),
  unavailable: no('UNAVAILABLE', 'Temporarily unavailable'),
  // RFC 9051 7.1: OVERQUOTA is for limits of the account; a full disk is the server's trouble and passes.
  storageFull: no('UNAVAILABLE', 'Storage is full, try again later'),
  notSupported: no('CANNOT', 'Not supported'),
};

/** Undefined for what is no failure of a command but ends the session (a closed connection, a bug). */
export function errorResponse(error: unknown): ErrorResponse | undefined {
  if (error instanceof MailError) return responses[error.kind];
  // Message numbers that only the session can judge.
  if (error instanceof ImapSyntaxError) {
    return { status: error.status, code: error.code, text: error.message };
  }
  if (error instanceof Fault) {
    return error.temporary
      ? no('UNAVAILABLE', 'Temporary failure, try again later')
      : no('SERVERBUG', 'Internal failure');
  }
  return undefined;
}
