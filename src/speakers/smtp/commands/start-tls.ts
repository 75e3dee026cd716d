// STARTTLS (RFC 3207). What was said before is forgotten after the handshake (4.2); bytes that came behind the command
// in the clear would be taken for bytes sent inside TLS (CVE-2011-0411), so they forbid it.

import { ConnectionClosed } from '../../kit/connection.ts';
import { greetedStates, type SmtpCommand } from '../command.ts';
import type { SmtpSession } from '../smtp-session.ts';

async function startTls(session: SmtpSession): Promise<string> {
  const { connection } = session;
  connection.write('220 2.0.0 Ready to start TLS\r\n');
  session.endTransaction();
  session.hello = undefined;
  session.extended = false;
  session.principal = undefined;
  session.connection.user = undefined;
  try {
    await connection.startTls();
  } catch (error) {
    if (!(error instanceof ConnectionClosed)) throw error;
    session.finished = true;
  }
  // The handshake is the reply.
  return '';
}

export const startTlsCommand: SmtpCommand = {
  verb: 'STARTTLS',
  states: greetedStates,
  argument: 'none',
  idle: false,
  rfc: 'RFC 3207',
  handle(session) {
    const { connection, dependencies } = session;
    if (connection.tls !== undefined) return '503 5.5.1 TLS is on already\r\n';
    if (!dependencies.startTls) return '502 5.5.1 TLS is not offered\r\n';
    if (connection.bufferedBytes > 0) {
      session.finished = true;
      return '503 5.5.1 Nothing may follow STARTTLS before its reply\r\n';
    }
    return startTls(session);
  },
};
