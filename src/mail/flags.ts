// Flags as bits. Five system flags, then up to 59 keywords a mailbox: each mailbox keeps its own keyword table
// (bit 5 + index), so that a message's flags are two 32-bit words in a column, not objects.
// \Recent is not stored: it belongs to a session (RFC 3501 2.3.2), and RFC 9051 dropped it.

/** Order is the bit: answered 0 … draft 4. On disk; never reordered. */
export const systemFlags = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'] as const;
export type SystemFlag = (typeof systemFlags)[number];

/** The bits that mean something to the account host. */
export const flagDeleted = 4;
export const flagSeen = 8;

export const systemFlagBits = 5;
/** 64 bits less the system flags. */
export const keywordsMax = 59;
/** A keyword is an IMAP atom (RFC 9051 flag-keyword); nobody needs longer ones, and they are repeated in every FLAGS answer. */
export const keywordBytesMax = 128;

/** A message's flags: bits 0..31 in `low`, 32..63 in `high`, both unsigned. */
export interface FlagBits {
  readonly low: number;
  readonly high: number;
}

export const everyFlag: FlagBits = Object.freeze({ low: 0xffff_ffff, high: 0xffff_ffff });

const systemBitByName = new Map<string, number>(
  systemFlags.map((name, bit) => [name.toLowerCase(), 1 << bit]),
);

/** The bit of a system flag, in any letter case; undefined when it is none. */
export function systemFlagBit(name: string): number | undefined {
  return systemBitByName.get(name.toLowerCase());
}

/** Names of the bits that are set, system flags first; `keywords` is the mailbox's table. */
export function flagNames(low: number, high: number, keywords: readonly string[]): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < systemFlagBits; bit++) if ((low >>> bit) & 1) names.push(systemFlags[bit]!);
  for (let index = 0; index < keywords.length; index++) {
    const bit = index + systemFlagBits;
    if (((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) === 1) names.push(keywords[index]!);
  }
  return names;
}
