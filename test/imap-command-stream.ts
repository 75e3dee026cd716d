// Runs a client's octets through the IMAP command reader and parser as a session would, for tests and
// fuzzing: what comes of them must not depend on how they are cut into reads.

import type { Command } from '../src/wire/imap/command.ts';
import {
  type CommandReader,
  type CommandReaderLimits,
  commandReaderLimits,
  CommandReader as Reader,
} from '../src/wire/imap/command-reader.ts';
import { ImapSyntaxError } from '../src/wire/imap/imap-syntax-error.ts';
import type { AppendCommand, ReplaceCommand } from '../src/wire/imap/message-command.ts';
import { parseAppendHead, parseCommand } from '../src/wire/imap/parse-command.ts';

/** What a session would do, as one line or value each: comparable with deepEqual. */
export type Outcome =
  | { readonly command: Command }
  | { readonly syntax: string; readonly tag: string | undefined; readonly status: string }
  | { readonly refused: string; readonly tag: string | undefined }
  | { readonly continuation: true }
  | { readonly head: AppendCommand | ReplaceCommand | undefined }
  | { readonly fatal: string }
  /** The input ended here. */
  | { readonly needs: 'line' | 'bytes' };

export interface StreamOptions {
  readonly utf8?: boolean;
  readonly limits?: CommandReaderLimits;
  /** Refuses the messages this returns true for. */
  readonly refuses?: (bytes: number) => boolean;
  /** How many bytes the next read brings. */
  readonly readSize?: () => number;
}

export function runCommands(input: Uint8Array | string, options: StreamOptions = {}): Outcome[] {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : Buffer.from(input);
  const reader = new Reader(options.limits ?? commandReaderLimits);
  const outcomes: Outcome[] = [];
  const readSize = options.readSize ?? (() => bytes.length || 1);
  let taken = 0;
  let available = 0;
  for (;;) {
    const piece = nextPiece(reader, bytes.subarray(taken, available), available - taken);
    if (piece === undefined) {
      if (available >= bytes.length) break;
      available = Math.min(bytes.length, available + Math.max(1, readSize()));
      continue;
    }
    if (piece.length > reader.limits.textBytesMax && reader.bytesWanted === 0) {
      outcomes.push({ fatal: 'line' });
      return outcomes;
    }
    taken += piece.length;
    if (!handle(reader, piece, outcomes, options)) return outcomes;
  }
  outcomes.push({ needs: reader.bytesWanted > 0 ? 'bytes' : 'line' });
  return outcomes;
}

function nextPiece(reader: CommandReader, buffered: Buffer, length: number): Buffer | undefined {
  if (length === 0) return undefined;
  if (reader.bytesWanted > 0) return buffered.subarray(0, Math.min(reader.bytesWanted, length));
  const end = buffered.indexOf(0x0a);
  return end < 0 ? undefined : buffered.subarray(0, end + 1);
}

/** False when the session ended. */
function handle(reader: CommandReader, piece: Buffer, outcomes: Outcome[], options: StreamOptions): boolean {
  const utf8 = options.utf8 ?? false;
  let step = reader.bytesWanted > 0 ? reader.bytes(piece) : reader.line(piece);
  if (step.type === 'append') {
    outcomes.push({
      head: attempt(outcomes, () => withWholeMessages(parseAppendHead(reader.pending, { utf8 }))),
    });
    step = options.refuses?.(step.bytes)
      ? reader.refuse({ status: 'NO', code: 'TRYCREATE', text: 'no' })
      : reader.acceptLiteral();
  }
  if (step.type === 'command') {
    const { command: raw } = step;
    const command = attempt(outcomes, () => parseCommand(raw, { utf8 }));
    if (command !== undefined) outcomes.push({ command: withWholeMessages(command) });
  } else if (step.type === 'refused') outcomes.push({ refused: step.refusal.text, tag: step.tag });
  else if (step.type === 'fatal') {
    outcomes.push({ fatal: step.text });
    return false;
  } else if (step.type !== 'append' && step.continuation) outcomes.push({ continuation: true });
  return true;
}

/** Everything but ImapSyntaxError is a bug and goes up. */
function attempt<T>(outcomes: Outcome[], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ImapSyntaxError)) throw error;
    outcomes.push({ syntax: error.message, tag: error.tag, status: error.status });
    return undefined;
  }
}

/** Messages in one chunk, so that reads of different sizes compare equal. */
function withWholeMessages<T extends Command>(command: T): T {
  if (command.name !== 'APPEND' && command.name !== 'REPLACE') return command;
  const whole = <P extends { readonly chunks: readonly Buffer[] }>(part: P): P => ({
    ...part,
    chunks: [Buffer.concat(part.chunks)],
  });
  return {
    ...command,
    messages: command.messages.map((message) => ({
      ...whole(message),
      catenate: message.catenate?.map((part) => ('chunks' in part ? whole(part) : part)),
    })),
  };
}
