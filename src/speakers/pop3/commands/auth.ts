// AUTH (RFC 5034): a SASL exchange in base64 lines. Without an argument it lists the mechanisms, as RFC 1734's AUTH did.

import { isMailError } from '../../../mail/mail-error.ts';
import { formatSaslLine, parseSaslInitialResponse, parseSaslLine } from '../../../wire/sasl/base64-line.ts';
import { saslLineBytesMax, saslMechanisms } from '../../../wire/sasl/sasl.ts';
import { startSasl } from '../../../wire/sasl/start-sasl.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { enterTransaction, loginFailed } from '../enter-transaction.ts';
import type { Pop3Session } from '../pop3-session.ts';

export function offeredMechanisms(session: Pop3Session) {
  const { tls } = session.connection;
  return saslMechanisms({ tls, allowCleartext: session.allowsCleartext });
}

export function auth(session: Pop3Session, argument: string): Promise<void> | undefined {
  const offered = offeredMechanisms(session);
  if (argument.trim() === '') {
    session.connection.write(['+OK', ...offered, '.', ''].join('\r\n'));
    return undefined;
  }
  return exchange(session, argument);
}

async function exchange(session: Pop3Session, argument: string): Promise<void> {
  const { environment, connection } = session;
  const [, mechanism = '', initial] = /^ *(\S+)(?: (\S+))? *$/.exec(argument) ?? [];
  const server = startSasl(mechanism, {
    authenticator: environment.authenticator,
    context: session.authenticationContext,
    tls: connection.tls,
    offered: offeredMechanisms(session),
    random: environment.random,
  });
  if (server === undefined) {
    session.err(session.mayLogIn ? 'unknown mechanism' : 'start TLS first');
    return;
  }
  let line = initial === undefined ? undefined : parseSaslInitialResponse(initial);
  for (;;) {
    if (line !== undefined && line.type !== 'message') {
      session.err(line.type === 'cancelled' ? 'cancelled' : 'not base64');
      return;
    }
    const step = await server.step(line?.bytes);
    if (step.type === 'success') {
      await enter(session, step.principal);
      return;
    }
    if (step.type === 'failure') {
      loginFailed(session, step.reason);
      return;
    }
    connection.write(`+ ${formatSaslLine(step.bytes)}\r\n`);
    line = parseSaslLine(await readResponse(session));
  }
}

async function enter(session: Pop3Session, principal: Parameters<typeof enterTransaction>[1]): Promise<void> {
  try {
    await enterTransaction(session, principal);
  } catch (error) {
    if (!isMailError(error)) throw error;
    loginFailed(session, error);
  }
}

async function readResponse(session: Pop3Session): Promise<Buffer> {
  for (;;) {
    const line = session.connection.takeLine(saslLineBytesMax);
    if (line !== undefined) return line;
    if (!(await session.fill())) throw new ConnectionClosed();
  }
}
