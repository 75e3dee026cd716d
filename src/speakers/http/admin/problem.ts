// problem+json (RFC 9457): how every error of the admin API looks, and the one table from refusals to HTTP statuses.

import type { MailErrorKind } from '../../../mail/mail-error.ts';

export const problemContentType = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Found in the server's log under the same id. */
  readonly traceId: string;
  /** For a body or query that does not fit the schema: where, and what was expected. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/** Exhaustive: a new kind of refusal does not compile until it has a status here. */
export const statusByMailError: Record<MailErrorKind, number> = {
  noSuchMailbox: 404,
  mailboxExists: 409,
  mailboxNotSelectable: 409,
  invalidMailboxName: 400,
  noSuchMessage: 404,
  noSuchAccount: 404,
  accountDisabled: 409,
  permissionDenied: 403,
  authenticationFailed: 401,
  overQuota: 507,
  messageTooLarge: 413,
  tooManyKeywords: 409,
  limitReached: 429,
  conflict: 409,
  invalidArgument: 400,
  inUse: 409,
  unavailable: 503,
  storageFull: 507,
  notSupported: 501,
};

const titles: Record<number, string> = {
  400: 'The request is not right',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  409: 'Conflict',
  413: 'Too large',
  415: 'Media type not supported',
  422: 'The idempotency key was used for another request',
  429: 'Too many',
  500: 'Internal error',
  501: 'Not supported',
  503: 'Unavailable for now',
  507: 'No room',
};

/** A kind in kebab-case is the problem's type: stable for programs, while texts may change. */
function kebab(kind: string): string {
  // Inside, domains, aliases, nodes and tokens that are not there are refused by this kind as well.
  if (kind === 'noSuchAccount') return 'not-found';
  return kind.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export interface ProblemParts {
  readonly kind: string;
  readonly status: number;
  readonly detail: string;
  readonly traceId: string;
  readonly errors?: Problem['errors'];
}

export function problem(parts: ProblemParts): Problem {
  return {
    type: `urn:rookery:problem:${kebab(parts.kind)}`,
    title: titles[parts.status] ?? 'Error',
    status: parts.status,
    detail: parts.detail,
    traceId: parts.traceId,
    ...(parts.errors === undefined ? {} : { errors: parts.errors }),
  };
}
