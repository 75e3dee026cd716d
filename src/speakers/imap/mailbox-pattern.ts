// LIST patterns (RFC 9051 6.3.9): `*` matches anything, `%` anything but the delimiter. Linear in name × pattern
// by keeping the set of places reached, so that `*a*a*a*a*b` costs no more than any other pattern of its length.

import { delimiter, normalizeInbox } from './mailbox-names.ts';

export class MailboxPattern {
  readonly #pattern: string;

  /** `reference` is put before the pattern as it is (RFC 9051 6.3.9 leaves its meaning to us). */
  constructor(reference: string, pattern: string) {
    this.#pattern = normalizeInbox(reference + pattern);
  }

  /** True for a pattern that names one mailbox. */
  get isLiteral(): boolean {
    return !/[*%]/.test(this.#pattern);
  }

  matches(name: string): boolean {
    const pattern = this.#pattern;
    if (pattern === '*') return true;
    if (this.isLiteral) return pattern === name;
    const length = pattern.length;
    let reached = new Uint8Array(length + 1);
    spread(pattern, reached, 0);
    for (let at = 0; at < name.length; at++) {
      const next = new Uint8Array(length + 1);
      for (let place = 0; place < length; place++) {
        if (reached[place] === 0) continue;
        const wanted = pattern[place];
        if (wanted === '*' || (wanted === '%' && name[at] !== delimiter)) spread(pattern, next, place);
        else if (wanted === name[at]) spread(pattern, next, place + 1);
      }
      reached = next;
    }
    return reached[length] === 1;
  }
}

/** Marks a place, and those behind wildcards there, which may match nothing. */
function spread(pattern: string, reached: Uint8Array, place: number): void {
  let at = place;
  reached[at] = 1;
  while (at < pattern.length && (pattern[at] === '*' || pattern[at] === '%')) reached[++at] = 1;
}
