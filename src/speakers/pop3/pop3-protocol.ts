// The POP3 speaker: RFC 1939 with the extensions capa.ts lists, over a connection of the kit. Owns what its sessions share:
// metrics and the times of last logins. A session's failures end that session only.

import { ByteBudget } from '../../base/byte-budget.ts';
import type { Metrics } from '../../base/metrics.ts';
import { errLine } from '../../wire/pop3/format-reply.ts';
import type { SessionProtocol } from '../kit/connection.ts';
import { answerBytesAheadMax } from '../kit/read-ahead.ts';
import { LoginDelay } from './login-delay.ts';
import { type Pop3Limits, pop3LimitsDefault } from './pop3-limits.ts';
import { Pop3Metrics } from './pop3-metrics.ts';
import { type Pop3Environment, Pop3Session } from './pop3-session.ts';

export interface Pop3Dependencies
  extends Omit<Pop3Environment, 'answersAhead' | 'limits' | 'loginDelay' | 'metrics'> {
  /** As ImapDependencies.answersAhead. */
  readonly answersAhead?: ByteBudget;
  readonly limits?: Partial<Pop3Limits>;
  readonly metrics?: Metrics | undefined;
}

/** One for all listeners of a server: with and without TLS from the first byte. */
export function pop3Protocol(dependencies: Pop3Dependencies): SessionProtocol {
  const limits = { ...pop3LimitsDefault, ...dependencies.limits };
  const environment: Pop3Environment = {
    answersAhead: new ByteBudget(answerBytesAheadMax, dependencies.clock),
    ...dependencies,
    limits,
    loginDelay: new LoginDelay(dependencies.clock, limits.loginDelaySeconds),
    metrics: new Pop3Metrics(dependencies.metrics),
  };
  return {
    name: 'pop3',
    run: (connection) => new Pop3Session(environment, connection).run(),
    refuse: (reason) =>
      reason === 'shuttingDown'
        ? errLine('server is shutting down', 'SYS/TEMP')
        : errLine('too many connections', 'SYS/TEMP'),
  };
}
