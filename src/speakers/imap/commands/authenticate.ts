// AUTHENTICATE (RFC 9051 6.2.2, RFC 4959): carries a SASL exchange in base64 lines.

import type { AuthenticateCommand } from '../../../wire/imap/command.ts';
import { capabilityCode } from '../../../wire/imap/response-code.ts';
import { formatSaslLine, parseSaslLine } from '../../../wire/sasl/base64-line.ts';
import { saslLineBytesMax, saslMechanisms } from '../../../wire/sasl/sasl.ts';
import { startSasl } from '../../../wire/sasl/start-sasl.ts';
import { capabilities, loginAllowed } from '../capabilities.ts';
import { readLine } from '../read-line.ts';
import { bad, no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { loginRefused } from './login.ts';

export async function authenticate(session: ImapSession, command: AuthenticateCommand): Promise<Reply> {
  if (!loginAllowed(session)) return no('Start TLS first', 'PRIVACYREQUIRED');
  const { environment, connection } = session;
  const { tls } = connection;
  const server = startSasl(command.mechanism, {
    authenticator: environment.authenticator,
    context: session.authenticationContext,
    tls,
    offered: saslMechanisms({ tls, allowCleartext: environment.allowCleartextLogin }),
    random: environment.random,
  });
  if (server === undefined) return no('Unknown authentication mechanism', 'CANNOT');
  let input: Uint8Array | undefined = command.initialResponse;
  for (;;) {
    const step = await server.step(input);
    switch (step.type) {
      case 'success':
        await session.enter(step.principal);
        return ok('Logged in', capabilityCode(capabilities(session)));
      case 'failure':
        if (step.reason.kind === 'invalidArgument') return bad('Invalid SASL message');
        return loginRefused(session, step.reason);
      case 'challenge': {
        connection.write(`+ ${formatSaslLine(step.bytes)}\r\n`);
        const line = parseSaslLine(await readLine(session, saslLineBytesMax));
        if (line.type === 'cancelled') return bad('Authentication cancelled');
        if (line.type === 'invalid') return bad('Invalid base64');
        input = line.bytes;
      }
    }
  }
}
