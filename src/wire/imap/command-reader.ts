// Frames commands: lines, and the literals between them (RFC 9051 section 4.3, RFC 7888), without I/O. The
// session feeds it what it took off the connection and does what each step says.
//
// Invariants: memory is bounded by the limits whatever the client sends; how the octets are cut into reads
// changes nothing; after a refusal the reader stands exactly behind what the client had already sent or will
// send unasked, so that the octets of a refused literal are never read as commands. Where that is impossible
// the step is `fatal`.

import { assert } from '../../base/assert.ts';
import { lineText } from './continuation-line.ts';
import { tagOf } from './parse-command.ts';
import type { Literal, RawCommand } from './raw-command.ts';
import type { ResponseCode } from './response-code.ts';

export interface CommandReaderLimits {
  /**
   * All lines of one command together; also what to pass to takeLine. Long UID sets need room (RFC 7162
   * section 4: 8192).
   */
  readonly textBytesMax: number;
  /** All literals of one command together but APPEND's messages: names, passwords, search texts. */
  readonly literalBytesMax: number;
  readonly literalsMax: number;
  /** The messages of one APPEND together. */
  readonly messageBytesMax: number;
  /**
   * A refused non-synchronising literal is read and dropped up to this; beyond it the connection is ended.
   */
  readonly skipBytesMax: number;
}

export const commandReaderLimits: CommandReaderLimits = {
  textBytesMax: 64 * 1024,
  literalBytesMax: 64 * 1024,
  literalsMax: 100,
  messageBytesMax: 50 * 1024 * 1024,
  skipBytesMax: 100 * 1024 * 1024,
};

/** Before login nobody needs more than names, passwords and SASL-IR. */
export const unauthenticatedLimits: CommandReaderLimits = {
  textBytesMax: 16 * 1024,
  literalBytesMax: 8 * 1024,
  literalsMax: 8,
  messageBytesMax: 0,
  skipBytesMax: 64 * 1024,
};

/** What to answer instead of carrying out the command. */
export interface Refusal {
  readonly status: 'BAD' | 'NO';
  /** Response code without brackets. */
  readonly code: ResponseCode | undefined;
  readonly text: string;
}

/** `continuation`: write `+ OK` and flush first. */
export type ReaderStep =
  /** Feed the next line. */
  | { readonly type: 'line'; readonly continuation: boolean }
  /** Feed at most `bytesWanted` bytes. */
  | { readonly type: 'bytes'; readonly continuation: boolean }
  /**
   * A message literal of APPEND is announced: look at `pending` (parseAppendHead), then acceptLiteral() or refuse().
   * `synchronizing`: the client waits. */
  | { readonly type: 'append'; readonly bytes: number; readonly synchronizing: boolean }
  /** A whole command; then feed the next line. */
  | { readonly type: 'command'; readonly command: RawCommand }
  /** Answer this with the tag (`*` when undefined), then feed the next line. */
  | { readonly type: 'refused'; readonly tag: string | undefined; readonly refusal: Refusal }
  /** Answer BYE and end: what follows cannot be told from commands. */
  | { readonly type: 'fatal'; readonly text: string };

const wantLine: ReaderStep = { type: 'line', continuation: false };
const wantLineAfterContinuation: ReaderStep = { type: 'line', continuation: true };
const wantBytes: ReaderStep = { type: 'bytes', continuation: false };
const wantBytesAfterContinuation: ReaderStep = { type: 'bytes', continuation: true };
const noLiterals: readonly Literal[] = [];

interface LiteralMark {
  readonly size: number;
  readonly synchronizing: boolean;
}

export class CommandReader {
  /** May be replaced between commands: wider after login. */
  limits: CommandReaderLimits;
  /** The command's lines so far, RawCommand.text. */
  #text = '';
  #literals: Literal[] = [];
  /** The literal being read or announced. */
  #mark: LiteralMark | undefined;
  #chunks: Buffer[] = [];
  #bytesWanted = 0;
  #literalBytes = 0;
  #messageBytes = 0;
  #awaitsVerdict = false;
  /** Set while the rest of a refused command is dropped. */
  #refusal: Refusal | undefined;
  #skippedBytes = 0;

  constructor(limits: CommandReaderLimits) {
    this.limits = limits;
  }

  /** Octets of the literal still to come; 0 when a line is wanted. */
  get bytesWanted(): number {
    return this.#bytesWanted;
  }

  /** True between commands: nothing of one was read yet. */
  get idle(): boolean {
    return this.#text === '' && this.#refusal === undefined;
  }

  /** After an `append` step: the command up to and with the announced literal, which is empty here. */
  get pending(): RawCommand {
    assert(this.#awaitsVerdict && this.#mark !== undefined, 'pending only after an append step');
    return { text: this.#text, literals: [...this.#literals, { size: this.#mark.size, chunks: [] }] };
  }

  /** A line with its terminator, or without. */
  line(line: Buffer): ReaderStep {
    assert(this.#bytesWanted === 0 && !this.#awaitsVerdict, 'a line is wanted');
    const piece = lineText(line);
    const mark = literalMark(piece);
    if (this.#refusal !== undefined) return this.#skipLine(mark);
    if (mark === undefined) {
      if (this.#text === '') return { type: 'command', command: { text: piece, literals: noLiterals } };
      if (this.#text.length + piece.length > this.limits.textBytesMax) return this.lineTooLong();
      const command: RawCommand = { text: this.#text + piece, literals: this.#literals };
      this.#reset();
      return { type: 'command', command };
    }
    this.#text += `${piece}\n`;
    this.#mark = mark;
    return this.#announced(mark);
  }

  /** Bytes of a literal, at least one and at most `bytesWanted`; kept, not copied. */
  bytes(bytes: Buffer): ReaderStep {
    assert(bytes.length > 0 && bytes.length <= this.#bytesWanted, 'as many bytes as wanted at most');
    this.#bytesWanted -= bytes.length;
    if (this.#refusal === undefined) this.#chunks.push(bytes);
    if (this.#bytesWanted > 0) return wantBytes;
    if (this.#refusal === undefined) this.#finishLiteral();
    return wantLine;
  }

  /** After an `append` step: the message may come. */
  acceptLiteral(): ReaderStep {
    assert(this.#awaitsVerdict && this.#mark !== undefined, 'accept only after an append step');
    this.#awaitsVerdict = false;
    this.#messageBytes += this.#mark.size;
    return this.#receive(this.#mark);
  }

  /**
   * After an `append` step: the command is refused; the `refused` step comes when the client has sent the
   * rest of it.
   */
  refuse(refusal: Refusal): ReaderStep {
    assert(this.#awaitsVerdict && this.#mark !== undefined, 'refuse only after an append step');
    this.#awaitsVerdict = false;
    return this.#refuse(this.#mark, refusal);
  }

  /**
   * The connection dropped a line longer than limits.textBytesMax. A non-synchronising literal may hang on it unseen,
   * whose octets would be read as commands; so this ends the session, as RFC 9051 section 4.3 and 7888 allow.
   */
  lineTooLong(): ReaderStep {
    this.#reset();
    return { type: 'fatal', text: 'Command line is too long' };
  }

  #announced(mark: LiteralMark): ReaderStep {
    const { limits } = this;
    if (this.#text.length > limits.textBytesMax) return this.lineTooLong();
    if (this.#literals.length >= limits.literalsMax)
      return this.#refuse(mark, { status: 'BAD', code: undefined, text: 'Too many literals' });
    if (isMessageLiteral(this.#text, this.#literals.length)) {
      if (this.#messageBytes + mark.size > limits.messageBytesMax)
        // RFC 7889 section 4 TOOBIG (RFC 4469).
        return this.#refuse(mark, { status: 'NO', code: 'TOOBIG', text: 'Message is too large' });
      this.#awaitsVerdict = true;
      return { type: 'append', bytes: mark.size, synchronizing: mark.synchronizing };
    }
    if (this.#literalBytes + mark.size > limits.literalBytesMax)
      return this.#refuse(mark, { status: 'BAD', code: 'TOOBIG', text: 'Literal is too large' });
    this.#literalBytes += mark.size;
    return this.#receive(mark);
  }

  #receive(mark: LiteralMark): ReaderStep {
    this.#bytesWanted = mark.size;
    if (mark.size > 0) return mark.synchronizing ? wantBytesAfterContinuation : wantBytes;
    this.#finishLiteral();
    return mark.synchronizing ? wantLineAfterContinuation : wantLine;
  }

  #finishLiteral(): void {
    const { size } = this.#mark!;
    this.#literals.push({ size, chunks: this.#chunks });
    this.#chunks = [];
    this.#mark = undefined;
  }

  /**
   * A synchronising literal is not sent once the command is answered; any other is on its way and has to be
   * dropped.
   */
  #refuse(mark: LiteralMark, refusal: Refusal): ReaderStep {
    this.#refusal = refusal;
    return this.#skipLine(mark);
  }

  #skipLine(mark: LiteralMark | undefined): ReaderStep {
    const refusal = this.#refusal!;
    if (mark === undefined || mark.synchronizing) {
      const tag = tagOf(this.#text);
      this.#reset();
      return { type: 'refused', tag, refusal };
    }
    this.#skippedBytes += mark.size;
    if (this.#skippedBytes > this.limits.skipBytesMax) {
      this.#reset();
      return { type: 'fatal', text: 'Literal is too large' };
    }
    // What was read is of no use any more.
    this.#literals = [];
    this.#chunks = [];
    this.#bytesWanted = mark.size;
    return mark.size > 0 ? wantBytes : wantLine;
  }

  #reset(): void {
    this.#text = '';
    this.#literals = [];
    this.#mark = undefined;
    this.#chunks = [];
    this.#bytesWanted = 0;
    this.#literalBytes = 0;
    this.#messageBytes = 0;
    this.#awaitsVerdict = false;
    this.#refusal = undefined;
    this.#skippedBytes = 0;
  }
}

/** `{n}` or `{n+}` at the end of a line. */
function literalMark(line: string): LiteralMark | undefined {
  let at = line.length - 1;
  if (line.charCodeAt(at) !== 0x7d) return undefined;
  const synchronizing = line.charCodeAt(at - 1) !== 0x2b;
  const end = synchronizing ? at : at - 1;
  at = end;
  while (at > 0 && line.charCodeAt(at - 1) >= 0x30 && line.charCodeAt(at - 1) <= 0x39) at--;
  if (at === end || line.charCodeAt(at - 1) !== 0x7b) return undefined;
  // More digits than a double holds exactly: any limit is passed all the same.
  return { size: Number(line.slice(at, end)), synchronizing };
}

const appendMailboxPattern = /^[^ ]+ +(?:append|(?:uid +)?replace +[^ ]+) +\{\d+\+?\}\n$/i;
const appendPattern = /^[^ ]+ +(?:append|(?:uid +)?replace +[^ ]+) +[^ ]/i;

/** In an APPEND or REPLACE every literal but the mailbox name's is a message: flags and dates cannot be literals. */
function isMessageLiteral(text: string, literalsBefore: number): boolean {
  return appendPattern.test(text) && !(literalsBefore === 0 && appendMailboxPattern.test(text));
}
