// From AUTHORIZATION to TRANSACTION, for PASS and AUTH alike: opens the account, takes the maildrop lock.
// When that is refused the session stays in AUTHORIZATION (RFC 1939 section 4) and nothing is held.

import type { AccountEvent } from '../../account/port.ts';
import type { Principal } from '../../directory/directory.ts';
import type { MailError } from '../../mail/mail-error.ts';
import { hasEndedLogin } from '../kit/has-ended-login.ts';
import { ReadAhead } from '../kit/read-ahead.ts';
import { Maildrop } from './maildrop.ts';
import type { Pop3Session } from './pop3-session.ts';
import { refusalLine } from './refusals.ts';

/** The identity is proven; answers +OK or -ERR. */
export async function enterTransaction(session: Pop3Session, principal: Principal): Promise<void> {
  const { environment, connection } = session;
  if (!environment.loginDelay.take(principal.accountId)) {
    session.err('last login was too short a time ago', 'LOGIN-DELAY');
    return;
  }
  const { accountId, sessionEpoch: epoch, actor } = principal;
  const account = await environment.accounts.open(accountId);
  // An administrator acts for somebody: the session ends with his login too.
  const ofActor = actor && (await environment.accounts.open(actor.accountId));
  const ahead = new ReadAhead(environment.answersAhead);
  const maildrop = await Maildrop.open(account, { limits: environment.limits, utf8: session.utf8, ahead });
  session.principal = principal;
  connection.user = principal;
  session.account = account;
  session.maildrop = maildrop;
  session.user = undefined;
  session.state = 'transaction';
  // The account was removed or disabled: nothing of it is given out any more.
  const told = (event: AccountEvent): void => {
    if (event.type === 'closed') session.loginEnded();
  };
  const unwatch = account.watch(told, { service: 'pop3', count: () => 1, epoch });
  const unwatchActor = ofActor?.watch(told, {
    service: 'pop3',
    count: () => 0,
    epoch: actor?.sessionEpoch,
  });
  session.unwatch = () => {
    unwatch();
    unwatchActor?.();
  };
  // Behind it: of what happens from now on the session hears.
  const isOver = await hasEndedLogin(environment.authenticator, 'pop3', principal).catch((error: unknown) => {
    connection.destroy();
    throw error;
  });
  if (isOver) {
    connection.destroy();
    return;
  }
  const { remaining, remainingBytes } = maildrop;
  session.ok(`maildrop has ${remaining} messages (${remainingBytes} octets)`);
}

/** A login that failed; the session ends after a few. */
export function loginFailed(session: Pop3Session, error: MailError): void {
  session.reject(refusalLine(error));
  if (++session.loginFailures >= session.environment.limits.loginAttemptsMax) session.state = 'ended';
}
