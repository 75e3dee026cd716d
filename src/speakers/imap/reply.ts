// What a command's handler hands to the dispatcher: the tagged answer without its tag.

import type { ResponseCode } from '../../wire/imap/response-code.ts';

export interface Reply {
  readonly status: 'OK' | 'NO' | 'BAD';
  /** Response code without brackets. */
  readonly code?: ResponseCode | undefined;
  readonly text: string;
  /** Runs after the tagged answer was written: STARTTLS. */
  readonly afterwards?: () => Promise<void>;
}

export function ok(text: string, code?: ResponseCode): Reply {
  return { status: 'OK', code, text };
}

export function no(text: string, code?: ResponseCode): Reply {
  return { status: 'NO', code, text };
}

export function bad(text: string, code?: ResponseCode): Reply {
  return { status: 'BAD', code, text };
}

/** RFC 5530: a message of the view was expunged by somebody else, so the answer is not complete. */
export const expungeIssued: Reply = no('Some of the messages no longer exist', 'EXPUNGEISSUED');

/** RFC 9586 section 3: with UIDONLY message numbers are no arguments. */
export const uidRequired: Reply = bad('Message numbers are not possible with UIDONLY', 'UIDREQUIRED');
