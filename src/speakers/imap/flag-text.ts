// The text of flag lists. One FlagText serves one answer: messages share few combinations of flags, so each is
// written once. Holds a bounded number of texts; nothing fails.

import { flagNames, systemFlags } from '../../mail/flags.ts';
import { type Rights, rightOfFlag } from '../../mail/rights.ts';
import { formatFlagList } from '../../wire/imap/format-fetch.ts';
import { formatStatusResponse, permanentFlagsCode } from '../../wire/imap/response-code.ts';

/** Beyond this, combinations are no longer remembered: keywords in the hands of a joker. */
const textsMax = 4096;

export class FlagText {
  readonly #keywords: readonly string[];
  readonly #texts = new Map<number, string>();

  constructor(keywords: readonly string[]) {
    this.#keywords = keywords;
  }

  /** `(\Seen $Forwarded)`; with `recent` also \Recent. */
  list(low: number, high: number, recent: boolean): string {
    // Exact for all combinations: 32 bits of low, 2 of them free as high stays below 2^20 for nearly everyone.
    const key = high < 0x80000 ? (high * 2 + (recent ? 1 : 0)) * 0x100000000 + low : undefined;
    const known = key === undefined ? undefined : this.#texts.get(key);
    if (known !== undefined) return known;
    const names = flagNames(low, high, this.#keywords);
    if (recent) names.push('\\Recent');
    const text = formatFlagList(names);
    if (key !== undefined && this.#texts.size < textsMax) this.#texts.set(key, text);
    return text;
  }
}

export interface FlagsAllowed {
  readonly keywords: readonly string[];
  readonly readOnly: boolean;
  readonly rights: Rights;
}

/** Mailboxes have few sets of keywords, and each is told at every SELECT: those that were told last are kept. */
const responsesMax = 256;
/** Longer ones are a joker's. */
const keyLengthMax = 1024;
const responsesKept = new Map<string, string>();

/** The FLAGS response and the PERMANENTFLAGS code of a mailbox (RFC 9051 7.1, 7.3.5). */
export function flagsResponses(allowed: FlagsAllowed): string {
  const { keywords, readOnly, rights } = allowed;
  const key = `${readOnly ? '' : rights} ${keywords.join(' ')}`;
  const kept = responsesKept.get(key);
  if (kept !== undefined) return kept;
  const text = formatResponses(allowed);
  if (responsesKept.size >= responsesMax) responsesKept.clear();
  if (key.length <= keyLengthMax) responsesKept.set(key, text);
  return text;
}

function formatResponses({ keywords, readOnly, rights }: FlagsAllowed): string {
  const all = [...systemFlags, ...keywords];
  // A full table has room, too, as long as not all of it is in use. RFC 4314 5.1.1: as far as the rights go.
  const permanent = readOnly ? [] : [...all, '\\*'].filter((name) => rights.includes(rightOfFlag(name)));
  const text = permanent.length === 0 ? 'No permanent flags permitted' : 'Flags permitted';
  return `* FLAGS ${formatFlagList(all)}\r\n${formatStatusResponse('*', 'OK', text, permanentFlagsCode(permanent))}`;
}
