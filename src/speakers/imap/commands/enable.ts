// ENABLE (RFC 5161, RFC 9051 6.3.1). What is not known is ignored, as the RFC says.

import type { EnableCommand } from '../../../wire/imap/command.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Enable completed');

export function enable(session: ImapSession, command: EnableCommand): Reply {
  const enabled: string[] = [];
  for (const capability of command.capabilities) {
    if (switchOn(session, capability)) enabled.push(` ${capability}`);
  }
  session.connection.write(`* ENABLED${enabled.join('')}\r\n`);
  return done;
}

function switchOn(session: ImapSession, capability: string): boolean {
  switch (capability) {
    case 'IMAP4REV2':
      session.revision2 = true;
      // RFC 9051 appendix A: names are UTF-8 in rev2.
      session.utf8 = true;
      return true;
    case 'UTF8=ACCEPT':
      session.utf8 = true;
      return true;
    case 'CONDSTORE':
      session.condstore = true;
      return true;
    default:
      return false;
  }
}
