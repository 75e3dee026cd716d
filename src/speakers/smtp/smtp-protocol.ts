// SMTP as the listener sees it: one protocol object for each listener, made from a profile and what it works with.

import type { AccountPorts } from '../../account/port.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Random } from '../../base/random.ts';
import type { Directory } from '../../directory/directory.ts';
import type { Intake } from '../../transport/intake.ts';
import type { Routing } from '../../transport/routing.ts';
import type { Connection, RefusalReason, SessionProtocol } from '../kit/connection.ts';
import { RateWindow } from '../kit/rate-window.ts';
import { copiesPerMessage } from './message-receiver.ts';
import { lmtpLimitsDefault, type SmtpLimits, smtpLimitsDefault } from './smtp-limits.ts';
import type { SmtpMetrics } from './smtp-metrics.ts';
import { type SmtpProfile, smtpProfiles } from './smtp-profile.ts';
import { SmtpSession } from './smtp-session.ts';

export interface SmtpProtocolOptions {
  readonly profile: SmtpProfile['name'];
  /** Our name in greetings. */
  readonly hostname: string;
  readonly directory: Directory;
  /** For users who send for others. */
  readonly accounts: AccountPorts;
  readonly routing: Routing;
  readonly intake: Intake;
  /** Shared by all listeners: the memory all messages on their way in may take. */
  readonly budget: ByteBudget;
  /** STARTTLS is offered while in the clear; the listener must have certificates. */
  readonly startTls: boolean;
  /** AUTH is offered in the clear too: for loopback, or where TLS ended before us. */
  readonly allowCleartextAuth: boolean;
  /** Submission: From must name an address that the user may send with. */
  readonly checksAuthor: boolean;
  readonly limits?: Partial<SmtpLimits>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics?: SmtpMetrics | undefined;
}

/** What sessions of one listener share. */
export interface SmtpDependencies extends Omit<SmtpProtocolOptions, 'profile' | 'limits'> {
  readonly profile: SmtpProfile;
  readonly limits: SmtpLimits;
  /** Messages of each client in this minute. */
  readonly messageRates: RateWindow;
}

const minuteMs = 60_000;

/** Makes the protocol to give to openListener. Throws a Fault when the largest message would never find memory. */
export function createSmtpProtocol(options: SmtpProtocolOptions): SessionProtocol {
  return new SmtpProtocol(options);
}

class SmtpProtocol implements SessionProtocol {
  readonly name: string;
  readonly #dependencies: SmtpDependencies;
  readonly #connectionRates: RateWindow;

  constructor(options: SmtpProtocolOptions) {
    const profile = smtpProfiles[options.profile];
    this.name = options.profile;
    const defaults = profile.name === 'lmtp' ? lmtpLimitsDefault : smtpLimitsDefault;
    const limits = { ...defaults, ...options.limits };
    const needed = limits.messageBytesMax * copiesPerMessage;
    if (options.budget.bytesMax < needed) {
      const message = `messages of ${limits.messageBytesMax} bytes need a memory budget of at least ${needed} bytes`;
      throw new Fault(message, { temporary: false });
    }
    this.#dependencies = {
      ...options,
      profile,
      limits,
      messageRates: new RateWindow(options.clock, minuteMs),
    };
    this.#connectionRates = new RateWindow(options.clock, minuteMs);
  }

  async run(connection: Connection): Promise<void> {
    const { limits, hostname } = this.#dependencies;
    const { connectionsPerMinuteMax } = limits;
    if (connectionsPerMinuteMax !== undefined) {
      if (!this.#connectionRates.take(connection.remoteAddress, connectionsPerMinuteMax)) {
        connection.write(`421 4.7.0 ${hostname} Too many connections a minute from you, try again later\r\n`);
        return;
      }
    }
    await new SmtpSession(this.#dependencies, connection).run();
  }

  refuse(reason: RefusalReason): string {
    const { hostname } = this.#dependencies;
    switch (reason) {
      case 'tooManyConnections':
        return `421 4.3.2 ${hostname} Too many connections, try again later\r\n`;
      case 'tooManyConnectionsFromAddress':
        return `421 4.7.0 ${hostname} Too many connections from you, try again later\r\n`;
      case 'shuttingDown':
        return `421 4.3.2 ${hostname} Shutting down, try again later\r\n`;
    }
  }
}
