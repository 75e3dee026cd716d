// What a command is: a row of the command table. The dispatcher (smtp-session.ts) checks state and argument; a handler
// only handles.

import type { SmtpSession } from './smtp-session.ts';

/** connected: before EHLO; greeted: no transaction; mail: MAIL was taken; rcpt: and a recipient. */
export type SmtpState = 'connected' | 'greeted' | 'mail' | 'rcpt';

export interface SmtpCommand {
  readonly verb: string;
  readonly states: readonly SmtpState[];
  readonly argument: 'none' | 'any';
  /** Moves nothing on: too many in a row end the session. */
  readonly idle: boolean;
  readonly rfc: string;
  /** The reply, with its CRLF; a string when nothing has to be waited for. Throws SmtpSyntaxError, Fault, MailError. */
  handle(session: SmtpSession, argument: string): string | Promise<string>;
}

export const anyState: readonly SmtpState[] = ['connected', 'greeted', 'mail', 'rcpt'];
export const greetedStates: readonly SmtpState[] = ['greeted', 'mail', 'rcpt'];

/** RFC 5321 4.1.4: 503 for a command out of its order. */
export function wrongStateReply(verb: string, state: SmtpState): string {
  switch (state) {
    case 'connected':
      return '503 5.5.1 Say who you are first (EHLO, LHLO)\r\n';
    case 'greeted':
      return '503 5.5.1 MAIL comes first\r\n';
    case 'mail':
      return verb === 'DATA' ? '503 5.5.1 No valid recipients\r\n' : '503 5.5.1 Not inside a transaction\r\n';
    case 'rcpt':
      return '503 5.5.1 Not inside a transaction\r\n';
  }
}
