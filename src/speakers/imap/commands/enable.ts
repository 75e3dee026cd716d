// ENABLE (RFC 5161, RFC 9051 6.3.1). What is not known is ignored, as the RFC says.

import { formatEnabled } from '../../../wire/imap/capability.ts';
import type { EnableCommand } from '../../../wire/imap/command.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Enable completed');

export function enable(session: ImapSession, command: EnableCommand): Reply {
  const enabled: string[] = [];
  for (const capability of command.capabilities) {
    const name = switchOn(session, capability);
    if (name !== undefined) enabled.push(name);
  }
  session.connection.write(formatEnabled(enabled));
  return done;
}

/** The capability's name as it is written, undefined when there is nothing to switch on. */
function switchOn(session: ImapSession, capability: string): string | undefined {
  switch (capability) {
    case 'IMAP4REV2':
      session.revision2 = true;
      // RFC 9051 appendix A: names are UTF-8 in rev2.
      session.utf8 = true;
      return 'IMAP4rev2';
    case 'UTF8=ACCEPT':
      session.utf8 = true;
      return capability;
    case 'CONDSTORE':
      session.enableCondstore();
      return capability;
    case 'UIDONLY':
      session.uidOnly = true;
      return capability;
    case 'QRESYNC':
      // RFC 7162 3.2.3: enables both.
      session.enableCondstore();
      session.qresync = true;
      return capability;
    default:
      return undefined;
  }
}
