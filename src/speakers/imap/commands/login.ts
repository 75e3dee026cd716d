// LOGIN (RFC 9051 6.2.3): user and password in the command. Refused before TLS unless the operator allows it.

import { isMailError } from '../../../mail/mail-error.ts';
import type { LoginCommand } from '../../../wire/imap/command.ts';
import { capabilityCode } from '../../../wire/imap/response-code.ts';
import { comparedString } from '../../../wire/sasl/prepare.ts';
import { capabilities, loginAllowed } from '../capabilities.ts';
import { errorResponse } from '../mail-error-responses.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

export async function login(session: ImapSession, command: LoginCommand): Promise<Reply> {
  if (!loginAllowed(session)) return no('Start TLS first', 'PRIVACYREQUIRED');
  const user = comparedString(command.user);
  const password = comparedString(command.password);
  if (user === undefined || password === undefined) return loginFailed(session);
  try {
    const credentials = { user, password, authorizationId: '' };
    const principal = await session.environment.authenticator.verifyPassword(
      credentials,
      session.authenticationContext,
    );
    await session.enter(principal);
  } catch (error) {
    if (!isMailError(error)) throw error;
    return loginRefused(session, error);
  }
  return ok('Logged in', capabilityCode(capabilities(session)));
}

export function loginFailed(session: ImapSession): Reply {
  countFailure(session);
  return no('Authentication failed', 'AUTHENTICATIONFAILED');
}

/** The answer to a refusal, counted against this connection. */
export function loginRefused(session: ImapSession, refusal: unknown): Reply {
  countFailure(session);
  return errorResponse(refusal)!;
}

function countFailure(session: ImapSession): void {
  session.loginFailures++;
  if (session.loginFailures >= session.environment.limits.loginAttemptsMax) {
    session.farewell = 'Too many failed logins';
  }
}
