// Flag names ↔ bits of one mailbox (mail/flags.ts). The first spelling of a keyword stays, letter case does not tell
// keywords apart (RFC 9051 2.3.2). A table grows up to keywordsMax names; then new ones take places that no message uses.
//
// Invariant: a name keeps its place as long as a message of the mailbox has it, and a place gets another name only in the commit
// that needs it; arrays of names never change. So bits say something only together with the table of the same moment: who
// answers flags answers that with them, and who goes on with flags of before makes them forget what lost its name
// (`forgetRenamed`). Who follows by changesSince misses nothing: a message that had the old name and has the new one was
// changed twice since, whatever its bits are.
// Refuses: invalidArgument for what is no flag, tooManyKeywords when all places are in use.

import {
  type FlagBits,
  keywordBytesMax,
  keywordsMax,
  systemFlagBit,
  systemFlagBits,
} from '../../mail/flags.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { MessageFlags } from '../port.ts';

// RFC 9051 flag-keyword is an atom: no specials, no controls, no 8-bit.
const keywordPattern = /^[^\x00-\x20\x7f-\uffff(){%*"\\\]]+$/;

function keywordIndex(keywords: readonly string[], name: string): number {
  const exact = keywords.indexOf(name);
  if (exact >= 0) return exact;
  const lower = name.toLowerCase();
  return keywords.findIndex((keyword) => keyword.toLowerCase() === lower);
}

/** Both words of one bit. */
function bitWords(bit: number): FlagBits {
  return bit < 32 ? { low: (1 << bit) >>> 0, high: 0 } : { low: 0, high: (1 << (bit - 32)) >>> 0 };
}

/** The bit of a flag or keyword; undefined when the mailbox does not know it. */
export function flagBit(name: string, keywords: readonly string[]): FlagBits | undefined {
  const system = systemFlagBit(name);
  if (system !== undefined) return { low: system, high: 0 };
  const index = keywordIndex(keywords, name);
  return index < 0 ? undefined : bitWords(index + systemFlagBits);
}

/** True: a place that is not in use may have to be looked for when these names are resolved. */
export function mayLackPlaces(names: readonly string[], keywords: readonly string[]): boolean {
  return (
    keywords.length + names.length > keywordsMax &&
    names.some((name) => flagBit(name, keywords) === undefined)
  );
}

/** A mailbox's table while one change is decided. What the change has asked for keeps its place until it is done. */
export class KeywordPlaces {
  readonly #flagsInUse: () => FlagBits;
  #keywords: readonly string[];
  /** Undefined: not looked for. */
  #inUse: FlagBits | undefined;
  #low = 0;
  #high = 0;

  /** `flagsInUse`: all flags of the mailbox's messages; asked once, and only when the table is full. */
  constructor(keywords: readonly string[], flagsInUse: () => FlagBits) {
    this.#keywords = keywords;
    this.#flagsInUse = flagsInUse;
  }

  /** The table with what was added; the same array when nothing was. */
  get keywords(): readonly string[] {
    return this.#keywords;
  }

  /** The keyword's bit, a new one when it has none; undefined: all places are in use. */
  take(name: string): FlagBits | undefined {
    let index = keywordIndex(this.#keywords, name);
    if (index < 0) {
      index = this.#keywords.length < keywordsMax ? this.#keywords.length : this.#unusedIndex();
      if (index < 0) return undefined;
      const keywords = [...this.#keywords];
      keywords[index] = name;
      this.#keywords = keywords;
    }
    const bit = bitWords(index + systemFlagBits);
    this.#low |= bit.low;
    this.#high |= bit.high;
    return bit;
  }

  #unusedIndex(): number {
    this.#inUse ??= this.#flagsInUse();
    const low = this.#inUse.low | this.#low;
    const high = this.#inUse.high | this.#high;
    return this.#keywords.findIndex((_, index) => {
      const bit = bitWords(index + systemFlagBits);
      return (low & bit.low) === 0 && (high & bit.high) === 0;
    });
  }
}

/** Bits of flag names. `grow`: unknown keywords get places, else they are left out. */
export function resolveFlags(names: readonly string[], places: KeywordPlaces, grow: boolean): FlagBits {
  let low = 0;
  let high = 0;
  for (const name of names) {
    const system = systemFlagBit(name);
    if (system !== undefined) {
      low |= system;
      continue;
    }
    // \Recent belongs to sessions; RFC 3501 clients may send it along with what they copy.
    if (name.toLowerCase() === '\\recent') continue;
    if (name.length > keywordBytesMax || !keywordPattern.test(name)) {
      throw new MailError('invalidArgument', 'not a flag or keyword');
    }
    const bit = grow ? places.take(name) : flagBit(name, places.keywords);
    if (bit === undefined) {
      if (!grow) continue;
      throw new MailError('tooManyKeywords', `more than ${keywordsMax} keywords in use`);
    }
    low |= bit.low;
    high |= bit.high;
  }
  return { low: low >>> 0, high: high >>> 0 };
}

/** Flags read beside the table `before` become what `after` can name: no message has those any more that lost their names. */
export function forgetRenamed(
  { flagsLow, flagsHigh }: Pick<MessageFlags, 'flagsLow' | 'flagsHigh'>,
  before: readonly string[],
  after: readonly string[],
): void {
  let low = 0;
  let high = 0;
  for (const [index, name] of before.entries()) {
    if (after[index] === name) continue;
    const bit = bitWords(index + systemFlagBits);
    low |= bit.low;
    high |= bit.high;
  }
  if (low === 0 && high === 0) return;
  for (let row = 0; row < flagsLow.length; row++) {
    flagsLow[row]! &= ~low;
    flagsHigh[row]! &= ~high;
  }
}

/** Carries flags from one mailbox's table to another's; keywords that do not fit any more are left behind. */
export class FlagTranslation {
  readonly #from: readonly string[];
  readonly #allowed: FlagBits;
  readonly #to: KeywordPlaces;
  readonly #bits: (FlagBits | undefined)[] = [];

  /** `allowed`: what may be carried; bits of `from`. */
  constructor(from: readonly string[], to: KeywordPlaces, allowed: FlagBits) {
    this.#from = from;
    this.#to = to;
    this.#allowed = allowed;
  }

  translate(givenLow: number, givenHigh: number): { low: number; high: number } {
    const flagsLow = givenLow & this.#allowed.low;
    const flagsHigh = givenHigh & this.#allowed.high;
    const systemMask = (1 << systemFlagBits) - 1;
    let low = flagsLow & systemMask;
    let high = 0;
    if (flagsLow >>> systemFlagBits === 0 && flagsHigh === 0) return { low, high };
    for (let index = 0; index < this.#from.length; index++) {
      const bit = index + systemFlagBits;
      if (((bit < 32 ? flagsLow >>> bit : flagsHigh >>> (bit - 32)) & 1) === 0) continue;
      const target = this.#target(index);
      low |= target?.low ?? 0;
      high |= target?.high ?? 0;
    }
    low >>>= 0;
    high >>>= 0;
    return { low, high };
  }

  #target(index: number): FlagBits | undefined {
    this.#bits[index] ??= this.#to.take(this.#from[index]!);
    return this.#bits[index];
  }
}
