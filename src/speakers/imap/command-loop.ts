// Reads a session's commands one after another and has each carried out to its end before the next: pipelined ones
// are answered in order (RFC 9051 5.5). Owns the reader and the bytes borrowed for APPEND's messages, which it gives
// back when the command is done. Ends with the last words the client shall hear, undefined when it heard them.

import { assert } from '../../base/assert.ts';
import type { Command } from '../../wire/imap/command.ts';
import {
  CommandReader,
  type CommandReaderLimits,
  commandReaderLimits,
  type ReaderStep,
  type Refusal,
  unauthenticatedLimits,
} from '../../wire/imap/command-reader.ts';
import { ImapSyntaxError } from '../../wire/imap/imap-syntax-error.ts';
import { parseAppendHead, parseCommand } from '../../wire/imap/parse-command.ts';
import { formatStatusResponse } from '../../wire/imap/response-code.ts';
import { ConnectionClosed, IdleTimeout, LineTooLong } from '../kit/connection.ts';
import { dispatch } from './dispatcher.ts';
import type { ImapLimits } from './imap-limits.ts';
import { codeOfMissing, findPlaced } from './mailbox-location.ts';
import { isTooMany, tooManyMessages } from './message-limit.ts';
import { notifyWaiting } from './notify/tell-notifications.ts';
import type { Reply } from './reply.ts';
import type { ImapSession } from './session.ts';

/** An APPEND before the login is refused with words of our own, not as too large. */
const strangerLimits: CommandReaderLimits = {
  ...unauthenticatedLimits,
  messageBytesMax: Number.POSITIVE_INFINITY,
};

/** How long an APPEND waits for memory before it is told to come back. */
const budgetWaitMs = 30_000;

export class CommandLoop {
  readonly #session: ImapSession;
  readonly #reader = new CommandReader(strangerLimits);
  #badCommands = 0;
  /** Borrowed from the byte budget for the command being read. */
  #borrowedBytes = 0;

  constructor(session: ImapSession) {
    this.#session = session;
  }

  /** Until the session ends. The text of a BYE, or undefined when none is due. */
  async run(): Promise<string | undefined> {
    const session = this.#session;
    const { slicer } = session.environment;
    try {
      while (session.state !== 'logout') {
        // Few frames and nothing of the input are alive while a command waits: thousands of sessions idle here.
        const incoming = this.#next();
        if (incoming === undefined) {
          if (!(await this.#wait())) return undefined;
          continue;
        }
        // Thousands of clients at once, or one that sends thousands of commands at once, would hold the loop.
        if (slicer.due()) await slicer.rest();
        if ('name' in incoming) this.#done(await dispatch(session, incoming));
        else if (incoming.type !== 'refused') await this.#finish(incoming);
        const farewell = this.#farewell();
        if (farewell !== undefined) return farewell;
        if (session.connection.congested) await session.connection.drain();
      }
      return undefined;
    } catch (error) {
      if (error instanceof LineTooLong) return 'Command line is too long';
      if (error instanceof IdleTimeout) return 'Idle for too long';
      if (error instanceof ConnectionClosed && session.connection.isDismissed)
        return 'Session was ended by an administrator';
      if (error instanceof ConnectionClosed && session.connection.closing.aborted) {
        return 'Server is shutting down';
      }
      throw error;
    } finally {
      this.#giveBack();
    }
  }

  /** For the next command; what NOTIFY asked for is told meanwhile. False at the client's end. */
  async #wait(): Promise<boolean> {
    const session = this.#session;
    session.waiting = true;
    if (session.notifications !== undefined) notifyWaiting(session);
    try {
      return await session.connection.fill(session.inputTimeoutMs());
    } finally {
      session.waiting = false;
      if (session.notifying !== undefined) await session.notifying;
    }
  }

  /** What the next line makes: a command, a step towards one, or undefined when no line has come yet. */
  #next(): Command | ReaderStep | undefined {
    const line = this.#session.connection.takeLine(this.#reader.limits.textBytesMax);
    return line === undefined ? undefined : this.#parsed(this.#reader.line(line));
  }

  /** A whole command parsed; a syntax error is answered, and is a refusal then. */
  #parsed(step: ReaderStep): Command | ReaderStep {
    if (step.type !== 'command') {
      if (step.type === 'refused') this.#answer(step.tag, step.refusal);
      return step;
    }
    try {
      return parseCommand(step.command, { utf8: this.#session.utf8 });
    } catch (error) {
      if (!(error instanceof ImapSyntaxError)) throw error;
      if (error.clearsSaved && this.#session.view !== undefined)
        this.#session.view.saved = new Uint32Array(0);
      const refusal = syntaxRefusal(error);
      this.#answer(error.tag, refusal);
      return { type: 'refused', tag: error.tag, refusal };
    }
  }

  /** Reads a command with literals to its end and carries it out. */
  async #finish(step: ReaderStep): Promise<void> {
    const incoming = this.#parsed(await this.#readOn(step));
    if ('name' in incoming) this.#done(await dispatch(this.#session, incoming));
    else if (incoming.type === 'fatal') this.#session.farewell = incoming.text;
    else assert(incoming.type === 'refused', 'the reader ends with a command or a refusal');
  }

  #done(reply: Reply): void {
    const session = this.#session;
    this.#badCommands = reply.status === 'BAD' ? this.#badCommands + 1 : 0;
    this.#giveBack();
    const isStranger = session.state === 'notAuthenticated';
    this.#reader.limits = isStranger ? strangerLimits : session.environment.readerLimits;
  }

  #farewell(): string | undefined {
    const { farewell, environment } = this.#session;
    if (this.#badCommands >= environment.limits.badCommandsMax) return 'Too many bad commands';
    return farewell;
  }

  /** The answer to what never became a command. */
  #answer(tag: string | undefined, refusal: Refusal): void {
    this.#giveBack();
    if (refusal.status === 'BAD') this.#badCommands++;
    const { status, text, code } = refusal;
    this.#session.connection.write(formatStatusResponse(tag ?? '*', status, text, code));
  }

  /** The rest of a command that has literals. */
  async #readOn(first: ReaderStep): Promise<ReaderStep> {
    const { connection, environment } = this.#session;
    let step = first;
    for (;;) {
      if (step.type === 'append') {
        step = await this.#judgeAppend(step.bytes);
        continue;
      }
      if (step.type !== 'line' && step.type !== 'bytes') return step;
      if (step.continuation) {
        connection.write('+ OK\r\n');
        connection.flush();
      }
      const wanted: ReaderStep['type'] = step.type;
      for (;;) {
        const input =
          wanted === 'line'
            ? connection.takeLine(this.#reader.limits.textBytesMax)
            : connection.takeBytes(this.#reader.bytesWanted);
        if (input !== undefined) {
          step = wanted === 'line' ? this.#reader.line(input) : this.#reader.bytes(input);
          break;
        }
        const timeoutMs = Math.min(environment.limits.commandTimeoutMs, this.#session.inputTimeoutMs());
        if (!(await connection.fill(timeoutMs, true))) throw new ConnectionClosed();
      }
    }
  }

  /** Whether a message of APPEND may come: what can be refused is refused before its bytes are sent. */
  async #judgeAppend(bytes: number): Promise<ReaderStep> {
    const session = this.#session;
    const refusal = await this.#appendRefusal();
    if (refusal !== undefined) return this.#reader.refuse(refusal);
    const { messageBytes } = session.environment;
    if (!messageBytes.tryAcquire(bytes) && !(await messageBytes.acquire(bytes, budgetWaitMs))) {
      return this.#reader.refuse({ status: 'NO', code: 'UNAVAILABLE', text: 'Too busy, try again later' });
    }
    this.#borrowedBytes += bytes;
    return this.#reader.acceptLiteral();
  }

  async #appendRefusal(): Promise<Refusal | undefined> {
    const session = this.#session;
    if (session.account === undefined)
      return { status: 'BAD', code: undefined, text: 'APPEND needs a login first' };
    try {
      const head = parseAppendHead(this.#reader.pending, { utf8: session.utf8 });
      if (head.name === 'REPLACE' && session.state !== 'selected') {
        return { status: 'BAD', code: undefined, text: 'REPLACE needs a selected mailbox' };
      }
      // RFC 9738: all or none of them.
      if (isTooMany(session, head.messages.length)) return tooManyMessages(session);
      if (head.messages.length > session.environment.limits.appendMessagesMax) {
        return { status: 'NO', code: 'LIMIT', text: 'Too many messages in one APPEND' };
      }
      if ((await findPlaced(session, head.mailbox)) !== undefined) return undefined;
      return { status: 'NO', code: codeOfMissing(head.mailbox), text: 'No such mailbox' };
    } catch (error) {
      if (error instanceof ImapSyntaxError) return syntaxRefusal(error);
      // The account's refusals and faults come again when the command runs, and are answered there.
      session.connection.log.debug({ error }, 'append could not be judged');
      return undefined;
    }
  }

  #giveBack(): void {
    if (this.#borrowedBytes === 0) return;
    this.#session.environment.messageBytes.release(this.#borrowedBytes);
    this.#borrowedBytes = 0;
  }
}

function syntaxRefusal(error: ImapSyntaxError): Refusal {
  return { status: error.status, code: error.code, text: error.message };
}

/** How much a command of a session with an account may hold. */
export function readerLimits(limits: ImapLimits): CommandReaderLimits {
  return {
    ...commandReaderLimits,
    textBytesMax: limits.lineBytesMax,
    literalBytesMax: limits.literalBytesMax,
    messageBytesMax: limits.appendBytesMax,
  };
}
