// USER and PASS (RFC 1939 section 7). USER tells nothing of whether there is such a user.

import { isMailError } from '../../../mail/mail-error.ts';
import { utf8Argument } from '../../../wire/pop3/parse-command.ts';
import { enterTransaction, loginFailed } from '../enter-transaction.ts';
import type { Pop3Session } from '../pop3-session.ts';

export function user(session: Pop3Session, argument: string): undefined {
  if (!session.mayLogIn) {
    session.err('start TLS first');
    return;
  }
  const name = utf8Argument(argument.trim());
  if (name === undefined || name === '') {
    session.err('not a user name');
    return;
  }
  session.user = name;
  session.ok('send PASS');
}

/** The argument is all of the line: a password may hold blanks, at its ends too. */
export async function pass(session: Pop3Session, argument: string): Promise<void> {
  const { user: name } = session;
  if (name === undefined) {
    session.err('USER comes first');
    return;
  }
  // RFC 1939: PASS is right behind USER, or USER comes again.
  session.user = undefined;
  const password = utf8Argument(argument) ?? '';
  const credentials = { user: name, password, authorizationId: '' };
  try {
    const principal = await session.environment.authenticator.verifyPassword(
      credentials,
      session.authenticationContext,
    );
    await enterTransaction(session, principal);
  } catch (error) {
    if (!isMailError(error)) throw error;
    loginFailed(session, error);
  }
}
