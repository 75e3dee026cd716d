// Whether the login of a session could not begin now, because the password was changed or the account disabled behind it. Asked
// where nobody told the session: its account was still being opened, or it hears of no account (SMTP).
// Invariant: what was durable when it is asked counts. Fails as the directory does.

import { isCurrentSession } from '../../cluster/session-epoch.ts';
import type { Authenticator, Principal, Service } from '../../directory/directory.ts';

/** False in the outer zone: grants end there. */
export async function hasEndedLogin(
  { sessionEpoch }: Pick<Authenticator, 'sessionEpoch'>,
  service: Service,
  principal: Principal,
): Promise<boolean> {
  if (sessionEpoch === undefined) return false;
  for (const login of [principal, principal.actor]) {
    const epoch = login?.sessionEpoch;
    if (login === undefined || epoch === undefined) continue;
    if (!(await isCurrentSession(sessionEpoch, login.accountId, { service, epoch }))) return true;
  }
  return false;
}
