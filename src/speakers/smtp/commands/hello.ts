// EHLO, HELO and LHLO: who the client is, and what we can (RFC 5321 4.1.1.1, RFC 2033 4.1).

import { saslMechanisms } from '../../../wire/sasl/sasl.ts';
import { parseHelloArgument } from '../../../wire/smtp/other-arguments.ts';
import { formatReplyLines } from '../../../wire/smtp/reply.ts';
import { anyState, type SmtpCommand } from '../command.ts';
import type { SmtpSession } from '../smtp-session.ts';

function capabilities({ dependencies, connection }: SmtpSession): string[] {
  const { limits, profile, startTls, allowCleartextAuth } = dependencies;
  const lines = [
    'PIPELINING',
    `SIZE ${limits.messageBytesMax}`,
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    'CHUNKING',
    'BINARYMIME',
    'HELP',
    // RFC 9422: what a client may count on, so that it does not run into 452 and 421.
    `LIMITS RCPTMAX=${limits.recipientsMax}${limits.messagesMax < 1e6 ? ` MAILMAX=${limits.messagesMax}` : ''}`,
  ];
  if (startTls && connection.tls === undefined) lines.push('STARTTLS');
  if (profile.authenticates) {
    const offered = saslMechanisms({ tls: connection.tls, allowCleartext: allowCleartextAuth });
    if (offered.length > 0) lines.push(`AUTH ${offered.join(' ')}`);
  }
  return lines;
}

function greet(session: SmtpSession, argument: string, extended: boolean): string {
  const name = parseHelloArgument(argument);
  // RFC 5321 4.1.4: as if RSET had been said.
  session.endTransaction();
  session.hello = name;
  session.extended = extended;
  const { hostname } = session.dependencies;
  // No enhanced codes in replies to EHLO and HELO (RFC 2034 4).
  return extended ? formatReplyLines('250', [hostname, ...capabilities(session)]) : `250 ${hostname}\r\n`;
}

export const ehloCommand: SmtpCommand = {
  verb: 'EHLO',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 4.1.1.1',
  handle: (session, argument) => greet(session, argument, true),
};

export const heloCommand: SmtpCommand = {
  verb: 'HELO',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 5321 4.1.1.1',
  handle: (session, argument) => greet(session, argument, false),
};

export const lhloCommand: SmtpCommand = {
  verb: 'LHLO',
  states: anyState,
  argument: 'any',
  idle: true,
  rfc: 'RFC 2033 4.1',
  handle: (session, argument) => greet(session, argument, true),
};
