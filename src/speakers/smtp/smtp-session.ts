// One SMTP or LMTP session: reads command lines, dispatches them by the command table, writes replies in their order.
// Pipelined commands are answered without waiting where nothing has to be waited for, and the replies leave in one
// write (RFC 2920). Invariants: one transaction at a time; 250 to a message only after its delivery was committed.
// A fault in a command is answered 451 and the session goes on; a bug ends the session (421).

import { AssertionFailure } from '../../base/assert.ts';
import { Fault } from '../../base/fault.ts';
import { Slicer } from '../../base/slicer.ts';
import type { Principal } from '../../directory/directory.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { Recipient } from '../../transport/intake.ts';
import type { MessageOrigin } from '../../transport/trace-headers.ts';
import { type CommandLine, commandLineBytesMax, parseCommandLine } from '../../wire/smtp/command-line.ts';
import type { MailArguments } from '../../wire/smtp/envelope-arguments.ts';
import { SmtpSyntaxError } from '../../wire/smtp/smtp-syntax-error.ts';
import { type Connection, ConnectionClosed, IdleTimeout, LineTooLong } from '../kit/connection.ts';
import { type SmtpCommand, type SmtpState, wrongStateReply } from './command.ts';
import { commandTables } from './command-table.ts';
import { DataPace } from './data-pace.ts';
import type { MessageReceiver } from './message-receiver.ts';
import { tooManyRecipientsReply } from './outcome-replies.ts';
import type { SmtpDependencies } from './smtp-protocol.ts';

const carriageReturn = 0x0d;
/** Of a refused command in the log: whole for every real address. */
const loggedCharactersMax = 400;

export interface Transaction {
  readonly mail: MailArguments;
  readonly recipients: Recipient[];
  /** BDAT under way (RFC 3030): what came so far, and the time it took. */
  receiver: MessageReceiver | undefined;
  pace: DataPace | undefined;
}

export class SmtpSession {
  readonly dependencies: SmtpDependencies;
  readonly connection: Connection;
  /** What the client called itself; undefined before EHLO, HELO or LHLO. */
  hello: string | undefined;
  /** EHLO or LHLO rather than HELO. */
  extended = false;
  principal: Principal | undefined;
  transaction: Transaction | undefined;
  /** Set by a command after whose reply the connection ends. */
  finished = false;
  /** Commands in a row that moved nothing on. */
  idleCommands = 0;
  messages = 0;
  readonly commands: ReadonlyMap<string, SmtpCommand>;
  #errors = 0;
  /** The one under way; undefined when its line could not be read. */
  #command: CommandLine | undefined;
  /** When the line that is due must be there; undefined while none is waited for. */
  #lineDeadlineMs: number | undefined;
  readonly #loginDeadlineMs: number;

  constructor(dependencies: SmtpDependencies, connection: Connection) {
    this.dependencies = dependencies;
    this.connection = connection;
    const { profile, clock, limits } = dependencies;
    this.#loginDeadlineMs = profile.authenticates
      ? clock.monotonic() + limits.loginTimeoutMs
      : Number.POSITIVE_INFINITY;
    this.commands = commandTables[dependencies.profile.name];
  }

  get state(): SmtpState {
    if (this.transaction !== undefined) return this.transaction.recipients.length > 0 ? 'rcpt' : 'mail';
    return this.hello === undefined ? 'connected' : 'greeted';
  }

  /** Speaks until the connection ends. */
  async run(): Promise<void> {
    const { connection, dependencies } = this;
    connection.write(`220 ${dependencies.hostname} ${dependencies.profile.protocolWord} Rookery\r\n`);
    try {
      await this.#converse();
    } catch (error) {
      connection.write(this.#farewell(error));
      if (!(error instanceof ConnectionClosed || error instanceof IdleTimeout)) throw error;
    } finally {
      this.endTransaction();
      // Sends the farewell before the listener cuts a failed session off.
      connection.flush();
    }
  }

  endTransaction(): void {
    this.transaction?.receiver?.release();
    this.transaction = undefined;
  }

  /** The last reply, to a client that is sent away. RFC 5321 4.2: programs read our name in it. */
  endWith(text: string): string {
    this.finished = true;
    return `421 4.7.0 ${this.dependencies.hostname} ${text}\r\n`;
  }

  /** A line of an exchange inside a command (AUTH); undefined when the client went away. */
  async readLine(bytesMax: number): Promise<Buffer | undefined> {
    for (;;) {
      const line = this.connection.takeLine(bytesMax);
      if (line !== undefined) {
        this.#lineDeadlineMs = undefined;
        return line;
      }
      if (!(await this.#fillLine())) return undefined;
    }
  }

  /** Waits for more of a line; false at the peer's end. A line has one deadline: a byte now and then buys no time. */
  async #fillLine(): Promise<boolean> {
    const { connection, dependencies, transaction } = this;
    // Between two chunks: memory is held.
    if (transaction?.pace !== undefined) return await transaction.pace.fill(false);
    const now = dependencies.clock.monotonic();
    this.#lineDeadlineMs ??= now + dependencies.limits.idleTimeoutMs;
    const strangerMs = this.principal === undefined ? this.#loginDeadlineMs : Number.POSITIVE_INFINITY;
    const restMs = Math.min(this.#lineDeadlineMs, strangerMs) - now;
    if (restMs <= 0) throw new IdleTimeout();
    return await connection.fill(restMs);
  }

  openPace(): DataPace {
    const { clock, limits } = this.dependencies;
    return new DataPace(this.connection, clock, limits);
  }

  /** For Received: RFC 3848, RFC 6531 4.3. */
  origin(): MessageOrigin {
    const { connection, dependencies } = this;
    const { tls } = connection;
    const base = dependencies.profile.name === 'lmtp' ? 'LMTP' : this.extended ? 'ESMTP' : 'SMTP';
    const international = this.transaction?.mail.smtpUtf8 === true;
    // UTF8SMTP stands for ESMTP with SMTPUTF8, UTF8LMTP for LMTP with it.
    const word = international ? (base === 'LMTP' ? 'UTF8LMTP' : 'UTF8SMTP') : base;
    const secure = base !== 'SMTP' && tls !== undefined ? 'S' : '';
    const authenticated = base !== 'SMTP' && this.principal !== undefined ? 'A' : '';
    return {
      hello: this.hello,
      remoteAddress: connection.remoteAddress,
      protocol: `${word}${secure}${authenticated}`,
      tls: tls === undefined ? undefined : `${tls.protocol} ${tls.cipher}`,
    };
  }

  async #converse(): Promise<void> {
    const { connection } = this;
    const slicer = new Slicer(this.dependencies.clock);
    while (!this.finished) {
      const answer = this.#next();
      if (answer === undefined) {
        if (!(await this.#fillLine())) return;
        continue;
      }
      this.#lineDeadlineMs = undefined;
      const reply = typeof answer === 'string' ? answer : await this.#settle(answer);
      connection.write(reply);
      this.#count(reply);
      if (connection.congested) await connection.drain();
      // A client that sends thousands of commands at once would hold the loop.
      if (slicer.due()) await slicer.rest();
    }
  }

  /** Executes the next command when its line is there. */
  #next(): string | Promise<string> | undefined {
    let line: Buffer | undefined;
    try {
      line = this.connection.takeLine(commandLineBytesMax);
    } catch (error) {
      if (error instanceof LineTooLong) return '500 5.5.2 Line is too long\r\n';
      throw error;
    }
    return line === undefined ? undefined : this.#execute(line);
  }

  #execute(line: Buffer): string | Promise<string> {
    // RFC 5321 2.3.8: LF alone ends no line. Somebody between us may have taken this line and the next for one.
    if (line.at(-2) !== carriageReturn) this.finished = true;
    this.#command = undefined;
    try {
      const parsed = parseCommandLine(line);
      this.#command = parsed;
      const { verb, argument } = parsed;
      const command = this.commands.get(verb);
      if (command === undefined) return '500 5.5.1 Command not known\r\n';
      if (!command.states.includes(this.state)) return wrongStateReply(verb, this.state);
      if (command.argument === 'none' && argument !== '') return '501 5.5.4 No argument is allowed\r\n';
      if (command.idle) {
        if (++this.idleCommands > this.dependencies.limits.idleCommandsMax) return this.#tooMany();
      } else {
        this.idleCommands = 0;
      }
      return command.handle(this, argument);
    } catch (error) {
      return replyForError(error);
    }
  }

  async #settle(answer: Promise<string>): Promise<string> {
    try {
      return await answer;
    } catch (error) {
      const reply = replyForError(error);
      if (!(error instanceof SmtpSyntaxError)) this.connection.log.error({ err: error }, 'command failed');
      return reply;
    }
  }

  /** Replies of 4xx and 5xx are counted; too many end the session. */
  #count(reply: string): void {
    if (reply.charCodeAt(0) < 0x34 || this.finished) return;
    // RFC 5321 4.5.3.1.10: a client that pipelined too many goes on with those that were taken.
    if (reply === tooManyRecipientsReply) return;
    this.#logRefusal(reply);
    if (++this.#errors >= this.dependencies.limits.errorsMax) this.connection.write(this.#tooMany());
  }

  /** What was refused is told for the envelope alone: other arguments may be secrets. */
  #logRefusal(reply: string): void {
    const { log, remoteAddress } = this.connection;
    if (!log.isLevelEnabled('info')) return;
    const { verb, argument } = this.#command ?? { verb: '', argument: '' };
    const isEnvelope = verb === 'MAIL' || verb === 'RCPT';
    const command = isEnvelope ? `${verb} ${argument}`.slice(0, loggedCharactersMax) : undefined;
    const from = this.transaction?.mail.path.text;
    log.info({ remoteAddress, from, command, reply: reply.trimEnd() }, 'refused');
  }

  #tooMany(): string {
    return this.endWith('Too many errors or commands, closing');
  }

  /** RFC 5321 3.8: 421 before the server closes on its own. */
  #farewell(error: unknown): string {
    const { hostname } = this.dependencies;
    if (error instanceof IdleTimeout) return `421 4.4.2 ${hostname} Idle for too long, closing\r\n`;
    if (!(error instanceof ConnectionClosed)) return `421 4.3.0 ${hostname} Internal error, closing\r\n`;
    if (this.connection.isDismissed)
      return `421 4.7.0 ${hostname} Session was ended by an administrator, closing\r\n`;
    return this.connection.closing.aborted ? `421 4.3.2 ${hostname} Shutting down, closing\r\n` : '';
  }
}

/** What a command threw: syntax, a refusal or a fault. Others go through and end the session. */
function replyForError(error: unknown): string {
  if (error instanceof SmtpSyntaxError) return `${error.code} ${error.message}\r\n`;
  if (error instanceof Fault) return '451 4.3.0 Not possible just now, try again later\r\n';
  if (isMailError(error)) {
    const full = error.kind === 'storageFull';
    return full ? '452 4.3.1 No room just now\r\n' : '451 4.3.0 Not possible just now, try again later\r\n';
  }
  if (error instanceof Error) throw error;
  throw new AssertionFailure('something other than an error was thrown');
}
