// Flag names ↔ bits of one mailbox (mail/flags.ts). A mailbox's keyword table only grows; the first spelling of a
// keyword stays, letter case does not tell keywords apart (RFC 9051 2.3.2).
// Refuses: invalidArgument for what is no flag, tooManyKeywords when the table is full.

import { type FlagBits, keywordBytesMax, keywordsMax, systemFlagBit, systemFlagBits } from '../mail/flags.ts';
import { MailError } from '../mail/mail-error.ts';

export interface ResolvedFlags {
  readonly low: number;
  readonly high: number;
  /** The table with the new keywords, the same array when there are none. */
  readonly keywords: readonly string[];
}

// RFC 9051 flag-keyword is an atom: no specials, no controls, no 8-bit.
const keywordPattern = /^[^\x00-\x20\x7f-\uffff(){%*"\\\]]+$/;

function keywordIndex(keywords: readonly string[], name: string): number {
  const exact = keywords.indexOf(name);
  if (exact >= 0) return exact;
  const lower = name.toLowerCase();
  return keywords.findIndex((keyword) => keyword.toLowerCase() === lower);
}

/** Both words of one bit. */
export function bitWords(bit: number): { readonly low: number; readonly high: number } {
  return bit < 32 ? { low: (1 << bit) >>> 0, high: 0 } : { low: 0, high: (1 << (bit - 32)) >>> 0 };
}

/** The bit of a flag or keyword; undefined when the mailbox does not know it. */
export function flagBit(
  name: string,
  keywords: readonly string[],
): { low: number; high: number } | undefined {
  const system = systemFlagBit(name);
  if (system !== undefined) return { low: system, high: 0 };
  const index = keywordIndex(keywords, name);
  return index < 0 ? undefined : bitWords(index + systemFlagBits);
}

/** Bits of flag names. `grow`: unknown keywords get the next bits, else they are left out. */
export function resolveFlags(
  names: readonly string[],
  keywords: readonly string[],
  grow: boolean,
): ResolvedFlags {
  let low = 0;
  let high = 0;
  let table = keywords;
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
    let index = keywordIndex(table, name);
    if (index < 0) {
      if (!grow) continue;
      if (table.length >= keywordsMax)
        throw new MailError('tooManyKeywords', `more than ${keywordsMax} keywords`);
      index = table.length;
      table = [...table, name];
    }
    const bit = bitWords(index + systemFlagBits);
    low |= bit.low;
    high |= bit.high;
  }
  return { low: low >>> 0, high: high >>> 0, keywords: table };
}

/** Carries flags from one mailbox's table to another's; keywords that do not fit any more are left behind. */
export class FlagTranslation {
  readonly #from: readonly string[];
  readonly #allowed: FlagBits;
  #to: readonly string[];
  readonly #bits: ({ low: number; high: number } | undefined)[] = [];

  /** `allowed`: what may be carried; bits of `from`. */
  constructor(from: readonly string[], to: readonly string[], allowed: FlagBits) {
    this.#from = from;
    this.#to = to;
    this.#allowed = allowed;
  }

  /** The target's table, with what was added. */
  get keywords(): readonly string[] {
    return this.#to;
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

  #target(index: number): { low: number; high: number } | undefined {
    const known = this.#bits[index];
    if (known !== undefined) return known;
    const name = this.#from[index]!;
    let position = keywordIndex(this.#to, name);
    if (position < 0) {
      if (this.#to.length >= keywordsMax) return undefined;
      position = this.#to.length;
      this.#to = [...this.#to, name];
    }
    this.#bits[index] = bitWords(position + systemFlagBits);
    return this.#bits[index];
  }
}
