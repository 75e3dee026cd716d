// AUTH (RFC 4954): carries a SASL exchange in 334 replies and base64 lines.

import type { AuthenticationContext, Principal } from '../../../directory/directory.ts';
import type { MailErrorKind } from '../../../mail/mail-error.ts';
import { formatSaslLine, parseSaslInitialResponse, parseSaslLine } from '../../../wire/sasl/base64-line.ts';
import { type SaslServer, type SaslStep, saslLineBytesMax, saslMechanisms } from '../../../wire/sasl/sasl.ts';
import { startSasl } from '../../../wire/sasl/start-sasl.ts';
import { parseAuthArguments } from '../../../wire/smtp/other-arguments.ts';
import { ConnectionClosed, LineTooLong } from '../../kit/connection.ts';
import type { SmtpCommand } from '../command.ts';
import type { SmtpSession } from '../smtp-session.ts';

const malformed = '501 5.5.2 Cannot decode the response\r\n';

/** RFC 4954 4 and 6. */
function failureReply(kind: MailErrorKind): string {
  switch (kind) {
    case 'authenticationFailed':
      return '535 5.7.8 User or password is wrong\r\n';
    case 'invalidArgument':
      return '501 5.5.2 Not what the mechanism allows\r\n';
    case 'limitReached':
      return '454 4.7.0 Too many failures, try again later\r\n';
    default:
      return '454 4.7.0 Authentication is not possible just now, try again later\r\n';
  }
}

/** The client's answer to a challenge: decoded bytes, or the reply that ends the exchange. */
async function readResponse(session: SmtpSession): Promise<Uint8Array | string> {
  let line: Buffer | undefined;
  try {
    line = await session.readLine(saslLineBytesMax);
  } catch (error) {
    if (error instanceof LineTooLong) return '500 5.5.6 Authentication exchange line is too long\r\n';
    throw error;
  }
  if (line === undefined) throw new ConnectionClosed();
  const response = parseSaslLine(line);
  if (response.type === 'message') return response.bytes;
  return response.type === 'cancelled' ? '501 5.7.0 Authentication cancelled\r\n' : malformed;
}

async function exchange(
  session: SmtpSession,
  server: SaslServer<Principal>,
  initial: Uint8Array | undefined,
): Promise<string> {
  let step: SaslStep<Principal> = await server.step(initial);
  while (step.type === 'challenge') {
    session.connection.write(`334 ${formatSaslLine(step.bytes)}\r\n`);
    const response = await readResponse(session);
    if (typeof response === 'string') return response;
    step = await server.step(response);
  }
  if (step.type === 'failure') return failureReply(step.reason.kind);
  session.principal = step.principal;
  session.connection.user = step.principal;
  return '235 2.7.0 Authenticated\r\n';
}

function authenticate(session: SmtpSession, argument: string): string | Promise<string> {
  const { connection, dependencies } = session;
  const { mechanism, initialResponse } = parseAuthArguments(argument);
  const offered = saslMechanisms({ tls: connection.tls, allowCleartext: dependencies.allowCleartextAuth });
  // RFC 4954 4: 538 is obsolete, 530 says what to do.
  if (offered.length === 0) return '530 5.7.0 Say STARTTLS first\r\n';
  let initial: Uint8Array | undefined;
  if (initialResponse !== undefined) {
    const response = parseSaslInitialResponse(initialResponse);
    if (response.type !== 'message') return malformed;
    initial = response.bytes;
  }
  const context: AuthenticationContext = {
    service: 'smtp',
    remoteAddress: connection.remoteAddress,
    traceId: connection.traceId,
  };
  const { directory, random } = dependencies;
  const server = startSasl(mechanism, {
    authenticator: directory,
    context,
    tls: connection.tls,
    offered,
    random,
  });
  if (server === undefined) return '504 5.5.4 Mechanism not known\r\n';
  return exchange(session, server, initial);
}

export const authCommand: SmtpCommand = {
  verb: 'AUTH',
  // RFC 4954 4: not inside a transaction.
  states: ['greeted'],
  argument: 'any',
  idle: false,
  rfc: 'RFC 4954 4',
  handle(session, argument) {
    if (session.principal !== undefined) return '503 5.5.1 Authenticated already\r\n';
    return authenticate(session, argument);
  },
};
