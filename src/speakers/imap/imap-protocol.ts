// The IMAP speaker: RFC 9051 and RFC 3501 over a connection of the kit. Owns what its sessions share (watches,
// metrics) and greets; a session's failures end that session only.

import type { AccountPorts } from '../../account/port.ts';
import { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import { SparseSlicer } from '../../base/slicer.ts';
import type { Authenticator } from '../../directory/directory.ts';
import { capabilityCode, formatStatusResponse } from '../../wire/imap/response-code.ts';
import { ConnectionClosed, IdleTimeout, type SessionProtocol } from '../kit/connection.ts';
import { answerBytesAheadMax } from '../kit/read-ahead.ts';
import { AccountWatches } from './account-watches.ts';
import { authenticatedCapabilities, capabilities } from './capabilities.ts';
import { CommandLoop, readerLimits } from './command-loop.ts';
import { type ImapLimits, imapLimitsDefault } from './imap-limits.ts';
import { commandObserver } from './imap-metrics.ts';
import { type ImapAdministration, type ImapEnvironment, ImapSession } from './session.ts';

export interface ImapDependencies {
  readonly authenticator: Authenticator;
  /** For SETQUOTA (RFC 9208); undefined: not here. */
  readonly administration?: ImapAdministration | undefined;
  readonly accounts: AccountPorts;
  /** Bytes of messages that come in by APPEND; shared with other protocols when one budget serves all. */
  readonly messageBytes: ByteBudget;
  /** What answers read ahead of clients may take; shared with other protocols when one budget serves all. */
  readonly answersAhead?: ByteBudget;
  readonly clock: Clock;
  readonly random: Random;
  readonly hostname: string;
  readonly version: string;
  /** STARTTLS is offered on connections in the clear. */
  readonly offersTls: boolean;
  /** LOGIN and AUTHENTICATE are allowed without TLS: loopback, tests, TLS ended by a proxy. */
  readonly allowCleartextLogin: boolean;
  /** See ImapEnvironment; left away: no. */
  readonly acceptsRawHeaders?: boolean;
  /** UNAUTHENTICATE is there; left away: yes. */
  readonly allowsUnauthenticate?: boolean;
  readonly limits?: Partial<ImapLimits>;
  readonly metrics?: Metrics | undefined;
}

export function imapProtocol(dependencies: ImapDependencies): SessionProtocol {
  const limits: ImapLimits = Object.freeze({ ...imapLimitsDefault, ...dependencies.limits });
  const environment: ImapEnvironment = {
    answersAhead: new ByteBudget(answerBytesAheadMax, dependencies.clock),
    ...dependencies,
    acceptsRawHeaders: dependencies.acceptsRawHeaders ?? false,
    limits,
    readerLimits: readerLimits(limits),
    capabilities: authenticatedCapabilities(limits, {
      setsQuotas: dependencies.administration !== undefined,
      unauthenticates: dependencies.allowsUnauthenticate ?? true,
    }),
    watches: new AccountWatches(),
    slicer: new SparseSlicer(dependencies.clock),
    observeCommand: commandObserver(dependencies.metrics),
  };
  return {
    name: 'imap',
    run: (connection) => speak(new ImapSession(environment, connection)),
    refuse: (reason) =>
      reason === 'shuttingDown'
        ? '* BYE [UNAVAILABLE] Server is shutting down\r\n'
        : '* BYE [LIMIT] Too many connections\r\n',
  };
}

async function speak(session: ImapSession): Promise<void> {
  const code = capabilityCode(capabilities(session));
  const greeting = `${session.environment.hostname} Rookery ready`;
  session.connection.write(formatStatusResponse('*', 'OK', greeting, code));
  try {
    const farewell = await new CommandLoop(session).run();
    if (farewell !== undefined) session.connection.write(`* BYE ${farewell}\r\n`);
    // The listener knows only the connection below.
    if (session.compressed) await session.connection.end();
  } catch (error) {
    if (!isGone(error)) {
      // The client hears of it; the listener logs the error and cuts the connection.
      session.connection.write('* BYE [SERVERBUG] Internal failure\r\n');
      await session.connection.end();
    }
    throw error;
  } finally {
    session.release();
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ConnectionClosed || error instanceof IdleTimeout;
}
