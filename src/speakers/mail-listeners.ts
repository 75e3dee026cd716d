// All mail listeners of a server: which protocol speaks on which address, with which limits. Owns the listeners and what
// their sessions share. A reload gives new connections new limits; open sessions keep theirs.

import type { DeliveryPorts } from '../account/delivery.ts';
import type { AccountPorts } from '../account/port.ts';
import { ByteBudget } from '../base/byte-budget.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Config } from '../config/schema.ts';
import type { Directory } from '../directory/directory.ts';
import { Intake } from '../transport/intake.ts';
import { Routing } from '../transport/routing.ts';
import { imapProtocol } from './imap/imap-protocol.ts';
import type { ImapAdministration } from './imap/session.ts';
import type { SessionProtocol } from './kit/connection.ts';
import { DeadlineTicker } from './kit/deadline-ticker.ts';
import { type Listener, openListener } from './kit/listener.ts';
import { ListenerMetrics } from './kit/listener-metrics.ts';
import type { OpenSessions } from './kit/open-sessions.ts';
import { answerBytesAheadMax } from './kit/read-ahead.ts';
import type { TlsContexts } from './kit/tls-contexts.ts';
import { pop3Protocol } from './pop3/pop3-protocol.ts';
import { SmtpMetrics } from './smtp/smtp-metrics.ts';
import { createSmtpProtocol } from './smtp/smtp-protocol.ts';

export interface MailListenersOptions {
  readonly config: Config;
  /** Other processes of this server listen on the same ports. */
  readonly sharesPorts?: boolean;
  readonly directory: Directory;
  /** Where the directory may be changed from: of servers that have it. */
  readonly administration?: ImapAdministration;
  readonly accounts: AccountPorts;
  /** Another way than `accounts` for POP3's sessions, and for deliveries, which are nobody's session. */
  readonly pop3Accounts?: AccountPorts;
  readonly deliveries?: DeliveryPorts;
  readonly tls: TlsContexts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly version: string;
}

const mailListeners = ['mx', 'submission', 'submissions', 'lmtp', 'imap', 'imaps', 'pop3', 'pop3s'] as const;
type MailListenerName = (typeof mailListeners)[number];

const implicitTls: ReadonlySet<MailListenerName> = new Set(['submissions', 'imaps', 'pop3s']);
const loopback = /^(?:127\.|::1$|localhost$)/;

interface Opened {
  readonly name: MailListenerName;
  readonly configured: { readonly address: string; readonly port: number };
  readonly listener: Listener;
}

export class MailListeners {
  readonly #options: MailListenersOptions;
  readonly #budget: ByteBudget;
  readonly #answersAhead: ByteBudget;
  readonly #routing: Routing;
  readonly #intake: Intake;
  readonly #smtpMetrics: SmtpMetrics;
  readonly #opened: Opened[] = [];

  private constructor(options: MailListenersOptions) {
    const { config, directory, accounts, deliveries, clock, random, metrics } = options;
    this.#options = options;
    this.#budget = new ByteBudget(config.limits.intake_memory, clock);
    this.#answersAhead = new ByteBudget(answerBytesAheadMax, clock);
    this.#routing = new Routing(directory);
    this.#intake = new Intake({ accounts, deliveries, hostname: config.hostname, clock, random });
    this.#smtpMetrics = new SmtpMetrics(metrics);
    metrics.observed(
      { name: 'rookery_intake_memory_bytes', help: 'Memory taken by messages on their way in' },
      () => this.#budget.bytesUsed,
    );
    metrics.observed(
      { name: 'rookery_answer_memory_bytes', help: 'Memory set aside for answers read ahead of clients' },
      () => this.#answersAhead.bytesUsed,
    );
    metrics.observedSeries<'name'>(
      {
        name: 'rookery_tls_certificate_left_seconds',
        help: 'How long the certificates for clients are good, by the first name of each',
        labels: ['name'],
      },
      () =>
        options.tls.certificates.map(({ names, notAfter }) => [
          { name: names[0] ?? '' },
          Math.floor((notAfter.getTime() - clock.now()) / 1000),
        ]),
    );
  }

  /** Opens every listener of the configuration, or none: rejects with the Fault of the first that cannot be had. */
  static async open(options: MailListenersOptions): Promise<MailListeners> {
    const listeners = new MailListeners(options);
    try {
      await listeners.#open();
      return listeners;
    } catch (error) {
      await listeners.close(0);
      throw error;
    }
  }

  get endpoints(): { name: string; address: string; port: number }[] {
    return this.#opened.map(({ name, configured, listener }) => ({
      name,
      address: configured.address,
      port: listener.port,
    }));
  }

  /** Sessions that are open now. */
  get sessions(): number {
    return this.#opened.reduce((sum, { listener }) => sum + listener.connections, 0);
  }

  /** For an operator. */
  get openSessions(): OpenSessions {
    const listeners = this.#opened.map(({ listener }) => listener);
    return {
      list: () => listeners.flatMap((listener) => [...listener.openSessions()]),
      end: (isWanted) => listeners.reduce((sum, listener) => sum + listener.endSessions(isWanted), 0),
    };
  }

  reload(config: Config): void {
    for (const { name, configured, listener } of this.#opened) {
      listener.setLimits(listenerLimits(config));
      listener.setProtocol(this.#protocol(name, configured.address, config));
    }
  }

  /** Stops accepting, lets running commands finish, cuts off what is left after `limitMs`. */
  async close(limitMs: number): Promise<void> {
    await Promise.all(this.#opened.map(({ listener }) => listener.close(limitMs)));
  }

  async #open(): Promise<void> {
    const { config, sharesPorts = false, tls, clock, random, log, metrics } = this.#options;
    const ticker = new DeadlineTicker(clock);
    const listenerMetrics = new ListenerMetrics(metrics);
    for (const name of mailListeners) {
      for (const configured of config.listen[name]) {
        const listener = await openListener({
          name,
          ...configured,
          sharesPort: sharesPorts,
          tls: name === 'lmtp' ? 'none' : implicitTls.has(name) ? 'implicit' : 'starttls',
          tlsContexts: tls,
          asksForCertificate: tls.knowsClients && name !== 'mx',
          protocol: this.#protocol(name, configured.address, config),
          proxyProtocolFrom: config.proxy_protocol_from,
          limits: listenerLimits(config),
          clock,
          random,
          log,
          metrics: listenerMetrics,
          ticker,
        });
        this.#opened.push({ name, configured, listener });
      }
    }
  }

  #protocol(name: MailListenerName, address: string, config: Config): SessionProtocol {
    const { directory, accounts, clock, random, metrics, version } = this.#options;
    const { pop3Accounts = accounts } = this.#options;
    const { hostname, limits, authentication } = config;
    const { cleartext } = authentication;
    // Behind a balancer on this machine a client from anywhere comes over loopback.
    const isLoopbackOnly = loopback.test(address) && config.proxy_protocol_from.length === 0;
    const isCleartextAllowed = cleartext === 'always' || (cleartext === 'loopback' && isLoopbackOnly);
    const common = { hostname, clock, random, metrics };
    if (name === 'imap' || name === 'imaps') {
      return imapProtocol({
        ...common,
        authenticator: directory,
        administration: this.#options.administration,
        accounts,
        messageBytes: this.#budget,
        answersAhead: this.#answersAhead,
        version,
        offersTls: name === 'imap',
        allowCleartextLogin: isCleartextAllowed,
        acceptsRawHeaders: config.imap.raw_headers === 'accept',
        allowsUnauthenticate: config.imap.unauthenticate === 'on',
        limits: {
          appendBytesMax: limits.message_size,
          messagesMax: limits.imap_messages,
          idleTimeoutMs: limits.imap_idle,
          loginTimeoutMs: limits.login_time,
        },
      });
    }
    if (name === 'pop3' || name === 'pop3s') {
      return pop3Protocol({
        ...common,
        authenticator: directory,
        accounts: pop3Accounts,
        answersAhead: this.#answersAhead,
        offersTls: name === 'pop3',
        allowCleartextLogin: isCleartextAllowed,
        limits: { idleTimeoutMs: limits.pop3_idle, loginTimeoutMs: limits.login_time },
      });
    }
    return createSmtpProtocol({
      ...common,
      profile: name === 'submissions' ? 'submission' : name,
      directory,
      accounts,
      routing: this.#routing,
      intake: this.#intake,
      budget: this.#budget,
      startTls: name === 'mx' || name === 'submission',
      allowCleartextAuth: isCleartextAllowed,
      checksAuthor: config.submission.check_from === 'account',
      metrics: this.#smtpMetrics,
      limits: {
        messageBytesMax: limits.message_size,
        recipientsMax: limits.recipients,
        idleTimeoutMs: limits.smtp_idle,
        loginTimeoutMs: limits.login_time,
      },
    });
  }
}

function listenerLimits({ limits }: Config): { connectionsMax: number; connectionsPerAddressMax: number } {
  return { connectionsMax: limits.connections, connectionsPerAddressMax: limits.connections_per_address };
}
