// Reads the arguments of one command from left to right: the terminals of RFC 9051 section 9 (atom, astring,
// number, literal, quoted, sequence-set …) over one latin1 string and an index.
// Invariant: `at` never passes the end, and every method either reads what it names or throws
// ImapSyntaxError.

import { isUtf8 } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import {
  astringCharacter,
  atomCharacter,
  characterClasses,
  listCharacter,
  quotedCharacter,
  sequenceCharacter,
} from './character-class.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { decodeMailboxName } from './mailbox-name.ts';
import type { Literal, RawCommand } from './raw-command.ts';
import { parseSequenceSet, type SequenceSet } from './sequence-set.ts';

/** 2^63-1. */
const number64Max = '9223372036854775807';

export interface ParseOptions {
  /**
   * UTF8=ACCEPT or IMAP4rev2 is enabled: mailbox names are UTF-8, never modified UTF-7 (RFC 6855, RFC 9051).
   */
  readonly utf8: boolean;
  /** The command ends with the mark of a literal that is still to come. */
  readonly head?: boolean;
}

export class ArgumentCursor {
  readonly text: string;
  readonly utf8: boolean;
  readonly #head: boolean;
  at = 0;
  readonly #literals: readonly Literal[];
  #literalIndex = 0;

  constructor(command: RawCommand, options: ParseOptions) {
    this.text = command.text;
    this.utf8 = options.utf8;
    this.#head = options.head === true;
    this.#literals = command.literals;
  }

  fail(expected: string): never {
    throw new ImapSyntaxError(`${expected} expected${this.atEnd() ? ' but the command ended' : ''}`);
  }

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  /** At the literal that is still to come: what would follow it is not there yet. */
  atHeadEnd(): boolean {
    return this.#head && this.atEnd();
  }

  /** The octet here, -1 at the end. */
  peek(): number {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  /** Steps over one character if it is here. */
  take(character: string): boolean {
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) this.fail(character === ' ' ? 'space' : `'${character}'`);
  }

  end(): void {
    if (!this.atEnd()) throw new ImapSyntaxError('end of command expected: too many arguments');
  }

  /** The longest run of characters of a class, '' when there is none. */
  run(classBit: number): string {
    const start = this.at;
    let index = start;
    while (index < this.text.length && (characterClasses[this.text.charCodeAt(index)]! & classBit) !== 0)
      index++;
    this.at = index;
    return this.text.slice(start, index);
  }

  atom(what = 'atom'): string {
    return this.run(atomCharacter) || this.fail(what);
  }

  /** An atom in upper case: keywords are read in any letter case. */
  word(what = 'atom'): string {
    return this.atom(what).toUpperCase();
  }

  /** Steps over a space and a keyword, if both are here and end there. */
  takeWord(word: string): boolean {
    const end = this.at + 1 + word.length;
    if (this.peek() !== 0x20 || this.text.slice(this.at + 1, end).toUpperCase() !== word) return false;
    if (end < this.text.length && (characterClasses[this.text.charCodeAt(end)]! & atomCharacter) !== 0)
      return false;
    this.at = end;
    return true;
  }

  /** 1*DIGIT up to `max`. */
  number(max: number, what = 'number'): number {
    const start = this.at;
    let value = 0;
    for (;;) {
      const digit = this.peek() - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > max) throw new ImapSyntaxError(`${what} is too large`);
      this.at++;
    }
    if (this.at === start) this.fail(what);
    return value;
  }

  /**
   * number64 (RFC 9051: up to 2^63-1). Ours never pass 2^53-1, so a larger one becomes that: it compares the same against
   * all of ours.
   */
  number64(what = 'number'): number {
    const start = this.at;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at++;
    if (this.at === start) this.fail(what);
    const digits = this.text.slice(start, this.at);
    if (digits.length > number64Max.length || (digits.length === number64Max.length && digits > number64Max))
      throw new ImapSyntaxError(`${what} is too large`);
    return Math.min(Number(digits), Number.MAX_SAFE_INTEGER);
  }

  /** RFC 7162 mod-sequence-value. */
  modSequence(): number {
    return this.number64('mod-sequence');
  }

  sequenceSet(): SequenceSet {
    const set = parseSequenceSet(this.run(sequenceCharacter));
    if (set === undefined) throw new ImapSyntaxError('valid sequence set expected');
    return set;
  }

  atLiteral(): boolean {
    return this.peek() === 0x7b;
  }

  /** `{n}` and its octets, behind a '~' the caller has stepped over, if it allows one. */
  literal(): Literal {
    const end = this.text.indexOf('\n', this.at);
    // Only what the reader took for a literal has the '\n' behind it; text like "{3}x" has not, or not at
    // once.
    if (end < 0 || !isLiteralMark(this.text, this.at, end)) this.fail('literal');
    const literal = this.#literals[this.#literalIndex++];
    assert(literal !== undefined, 'as many literals as marks');
    this.at = end + 1;
    return literal;
  }

  /** quoted or literal as latin1 octets. */
  stringOctets(what = 'string'): string {
    if (this.peek() === 0x22) return this.#quoted();
    if (!this.atLiteral()) this.fail(what);
    const octets = octetsOf(this.literal()).toString('latin1');
    if (octets.includes('\0')) throw new ImapSyntaxError(`NUL is not allowed in ${what}`);
    return octets;
  }

  /** astring as latin1 octets. */
  astringOctets(what = 'string'): string {
    return this.run(astringCharacter) || this.stringOctets(what);
  }

  /** astring, decoded from UTF-8. */
  astring(what = 'string'): string {
    return decodeUtf8(this.astringOctets(what), what);
  }

  /** string or NIL, decoded from UTF-8. */
  nstring(what = 'string'): string | undefined {
    const first = this.peek();
    if (first === 0x22 || first === 0x7b) return decodeUtf8(this.stringOctets(what), what);
    if (this.run(atomCharacter).toUpperCase() !== 'NIL') this.fail(`${what} or NIL`);
    return undefined;
  }

  /** mailbox: decoded, INBOX in upper case. */
  mailbox(): string {
    const name = this.#decodedName(this.astringOctets('mailbox name'));
    return name.length === 5 && name.toUpperCase() === 'INBOX' ? 'INBOX' : name;
  }

  /** list-mailbox: a name with wildcards. */
  listMailbox(): string {
    return this.#decodedName(this.run(listCharacter) || this.stringOctets('mailbox pattern'));
  }

  /** RFC 6855 section 3: names in UTF-8 are taken before it is enabled too; modified UTF-7 has no 8-bit octets. */
  #decodedName(octets: string): string {
    const isUtf8Name = this.utf8 || hasHighBit(octets);
    const name = decodeMailboxName(octets, isUtf8Name);
    if (name !== undefined) return name;
    if (isUtf8Name) throw new ImapSyntaxError('mailbox name is not valid UTF-8');
    // RFC 5530 CANNOT: the command is well-formed, such a name can never be.
    throw new ImapSyntaxError('mailbox name is not valid modified UTF-7', { status: 'NO', code: 'CANNOT' });
  }

  #quoted(): string {
    const start = ++this.at;
    let index = start;
    const text = this.text;
    while (index < text.length && (characterClasses[text.charCodeAt(index)]! & quotedCharacter) !== 0)
      index++;
    if (text.charCodeAt(index) === 0x22) {
      this.at = index + 1;
      return text.slice(start, index);
    }
    let result = text.slice(start, index);
    for (; index < text.length; index++) {
      const octet = text.charCodeAt(index);
      if (octet === 0x22) {
        this.at = index + 1;
        return result;
      }
      if (octet === 0x5c) {
        const escaped = text[++index];
        if (escaped !== '"' && escaped !== '\\') throw new ImapSyntaxError('quoted string has a bad escape');
        result += escaped;
      } else if ((characterClasses[octet]! & quotedCharacter) !== 0) result += text[index];
      else throw new ImapSyntaxError('quoted string has a forbidden character');
    }
    throw new ImapSyntaxError('quoted string is not closed');
  }
}

function isLiteralMark(text: string, start: number, end: number): boolean {
  if (text.charCodeAt(start) !== 0x7b || text.charCodeAt(end - 1) !== 0x7d) return false;
  let index = start + 1;
  while (text.charCodeAt(index) >= 0x30 && text.charCodeAt(index) <= 0x39) index++;
  if (index === start + 1) return false;
  if (text[index] === '+') index++;
  return index === end - 1;
}

/** A literal in one piece. */
function octetsOf(literal: Literal): Buffer {
  return literal.chunks.length === 1 ? literal.chunks[0]! : Buffer.concat(literal.chunks);
}

function hasHighBit(octets: string): boolean {
  for (let index = 0; index < octets.length; index++) if (octets.charCodeAt(index) >= 0x80) return true;
  return false;
}

/** Latin1 octets to text; refuses what is not UTF-8. */
function decodeUtf8(octets: string, what: string): string {
  if (!hasHighBit(octets)) return octets;
  const bytes = Buffer.from(octets, 'latin1');
  if (!isUtf8(bytes)) throw new ImapSyntaxError(`${what} is not valid UTF-8`);
  return bytes.toString('utf8');
}
