// One POP3 session: AUTHORIZATION, TRANSACTION and, within QUIT, UPDATE (RFC 1939). Reads a command at a time, in order,
// so pipelined commands are answered in order (RFC 2449 6.6).
// Invariants: `maildrop` is set exactly in TRANSACTION, and its lock is given back however the session ends; messages
// are removed only by QUIT. A refusal or fault of one command is answered and the session goes on; a bug ends it.

import type { AccountPort, AccountPorts } from '../../account/port.ts';
import type { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Random } from '../../base/random.ts';
import { Slicer } from '../../base/slicer.ts';
import type { AuthenticationContext, Authenticator, Principal } from '../../directory/directory.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { errLine, okLine } from '../../wire/pop3/format-reply.ts';
import { type Pop3Command, parsePop3Command, pop3LineBytesMax } from '../../wire/pop3/parse-command.ts';
import { type Connection, ConnectionClosed, IdleTimeout, LineTooLong } from '../kit/connection.ts';
import { commandTable } from './command-table.ts';
import type { LoginDelay } from './login-delay.ts';
import type { Maildrop } from './maildrop.ts';
import type { Pop3Limits } from './pop3-limits.ts';
import type { Pop3Metrics } from './pop3-metrics.ts';
import { faultLine, refusalLine } from './refusals.ts';

export type Pop3State = 'authorization' | 'transaction' | 'ended';

/** What all sessions of one speaker share. */
export interface Pop3Environment {
  readonly authenticator: Authenticator;
  readonly accounts: AccountPorts;
  readonly clock: Clock;
  readonly random: Random;
  readonly hostname: string;
  /** STLS is offered on connections in the clear. */
  readonly offersTls: boolean;
  /** USER and AUTH are allowed without TLS: loopback, tests, TLS ended by a proxy. A function is asked for each client. */
  readonly allowCleartextLogin: boolean | ((remoteAddress: string) => boolean);
  readonly limits: Pop3Limits;
  readonly answersAhead: ByteBudget;
  readonly loginDelay: LoginDelay;
  readonly metrics: Pop3Metrics;
}

export class Pop3Session {
  readonly environment: Pop3Environment;
  readonly connection: Connection;
  state: Pop3State = 'authorization';
  principal: Principal | undefined;
  account: AccountPort | undefined;
  maildrop: Maildrop | undefined;
  /** What USER named, for PASS. */
  user: string | undefined;
  /** RFC 6856: the client asked for UTF-8. */
  utf8 = false;
  loginFailures = 0;
  /** Ends the watch for the account being closed. */
  unwatch: (() => void) | undefined;
  #badCommands = 0;
  #isOk = true;
  /** For its next command. */
  #isWaiting = false;
  readonly #loginDeadlineMs: number;

  constructor(environment: Pop3Environment, connection: Connection) {
    this.environment = environment;
    this.connection = connection;
    this.#loginDeadlineMs = environment.clock.monotonic() + environment.limits.loginTimeoutMs;
  }

  get authenticationContext(): AuthenticationContext {
    const { remoteAddress, traceId } = this.connection;
    return { service: 'pop3', remoteAddress, traceId };
  }

  get allowsCleartext(): boolean {
    const allow = this.environment.allowCleartextLogin;
    return typeof allow === 'function' ? allow(this.connection.remoteAddress) : allow;
  }

  /** RFC 2595 section 4: what may be intercepted is refused before it is asked for. */
  get mayLogIn(): boolean {
    return this.connection.tls !== undefined || this.allowsCleartext;
  }

  ok(text: string): void {
    this.connection.write(okLine(text));
  }

  err(...reply: Parameters<typeof errLine>): void {
    this.reject(errLine(...reply));
  }

  /** Writes an -ERR line; the command counts as failed. */
  reject(line: string): void {
    this.#isOk = false;
    this.connection.write(line);
  }

  async run(): Promise<void> {
    this.ok(`${this.environment.hostname} Rookery POP3 ready`);
    try {
      await this.#serve();
    } finally {
      this.unwatch?.();
      await this.maildrop?.close();
    }
  }

  /**
   * Waits for more input; false at the peer's end. Strangers have one deadline for all they do, so that neither commands
   * nor a byte now and then buy time.
   */
  fill(): Promise<boolean> {
    const { clock, limits } = this.environment;
    if (this.state !== 'authorization') return this.#fillForUser(limits.idleTimeoutMs);
    const restMs = this.#loginDeadlineMs - clock.monotonic();
    return restMs > 0 ? this.connection.fill(restMs) : Promise.reject(new IdleTimeout());
  }

  /** The account is closed, or the login has ended: nothing more of it is given out. */
  loginEnded(): void {
    if (this.#isWaiting) {
      this.err('login has ended, or the account is no longer available');
      void this.connection.end();
    } else {
      this.connection.destroy();
    }
  }

  async #fillForUser(timeoutMs: number): Promise<boolean> {
    this.#isWaiting = true;
    try {
      return await this.connection.fill(timeoutMs);
    } finally {
      this.#isWaiting = false;
    }
  }

  async #serve(): Promise<void> {
    const { connection, environment } = this;
    const slicer = new Slicer(environment.clock);
    try {
      while (this.state !== 'ended') {
        const line = connection.takeLine(pop3LineBytesMax);
        if (line === undefined) {
          if (!(await this.fill())) return;
          continue;
        }
        const running = this.#command(line);
        if (running !== undefined) await running;
        if (connection.congested) await connection.drain();
        // A pipelining client whose messages are all in memory would hold the loop.
        if (slicer.due()) await slicer.rest();
      }
    } catch (error) {
      if (error instanceof LineTooLong) this.err('line is too long');
      else if (error instanceof IdleTimeout) this.err('idle for too long');
      else if (error instanceof ConnectionClosed && connection.isDismissed) {
        this.err('session was ended by an administrator');
      } else if (error instanceof ConnectionClosed && connection.closing.aborted) {
        this.err('server is shutting down', 'SYS/TEMP');
      } else throw error;
    }
  }

  /** Carries out one command; returns a promise only when it has to wait. */
  #command(line: Buffer): Promise<void> | undefined {
    const command = parsePop3Command(line);
    const entry = command === undefined ? undefined : commandTable.get(command.keyword);
    if (command === undefined || entry === undefined) {
      this.#bad('unknown command');
      return undefined;
    }
    if (!entry.states.includes(this.state as 'authorization' | 'transaction')) {
      this.#bad(this.state === 'authorization' ? 'log in first' : 'not after the login');
      return undefined;
    }
    const isMissing = entry.argument === 'required' && (command.argument ?? '') === '';
    if (isMissing || (entry.argument === 'none' && (command.argument ?? '').trim() !== '')) {
      this.#bad(isMissing ? 'an argument is missing' : 'this command has no argument');
      return undefined;
    }
    this.#badCommands = 0;
    this.#isOk = true;
    let running: Promise<void> | undefined;
    try {
      running = entry.run(this, command.argument ?? '') ?? undefined;
    } catch (error) {
      this.#failed(command, error);
    }
    if (running !== undefined) return this.#finish(command, running);
    this.#count(command);
    return undefined;
  }

  async #finish(command: Pop3Command, running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch (error) {
      this.#failed(command, error);
    }
    this.#count(command);
  }

  #count(command: Pop3Command): void {
    if (command.keyword !== 'RETR') this.environment.metrics.command(command.keyword, this.#isOk);
  }

  /** Answers refusals and faults; everything else is a bug or a connection that is gone. */
  #failed(command: Pop3Command, error: unknown): void {
    if (isMailError(error)) {
      this.reject(refusalLine(error));
      return;
    }
    if (!(error instanceof Fault)) throw error;
    this.connection.log.error({ err: error, command: command.keyword }, 'pop3 command failed');
    this.reject(faultLine());
  }

  #bad(text: string): void {
    this.err(text);
    this.environment.metrics.command('unknown', false);
    if (++this.#badCommands < this.environment.limits.badCommandsMax) return;
    this.err('too many bad commands');
    this.state = 'ended';
  }
}
