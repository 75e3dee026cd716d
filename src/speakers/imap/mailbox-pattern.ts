// LIST patterns (RFC 9051 6.3.9): `*` matches anything, `%` anything but the delimiter. Name × pattern steps at the
// most, by keeping the set of places reached, so that `*a*a*a*a*b` costs no more than any other pattern of its length;
// and a pattern that asks for more than a name has costs nothing.

import { normalName } from '../../account/mailbox-name.ts';
import { delimiter } from './mailbox-names.ts';

export class MailboxPattern {
  readonly #pattern: string;
  readonly #isLiteral: boolean;
  /** Characters a name must have at least. */
  readonly #lengthMin: number;

  /** `reference` is put before the pattern as it is (RFC 9051 6.3.9 leaves its meaning to us). */
  constructor(reference: string, pattern: string) {
    // Wildcards in a row say no more than the strongest of them.
    this.#pattern = normalName(reference + pattern).replace(/[*%]{2,}/g, (run) =>
      run.includes('*') ? '*' : '%',
    );
    const literal = this.#pattern.replaceAll(/[*%]/g, '');
    this.#lengthMin = literal.length;
    this.#isLiteral = literal.length === this.#pattern.length;
  }

  /** Whether some name that begins with `prefix` may match. */
  mayMatchUnder(prefix: string): boolean {
    const pattern = this.#pattern;
    const end = pattern.search(/[*%]/);
    const literal = end < 0 ? pattern : pattern.slice(0, end);
    if (!prefix.startsWith(literal) && !literal.startsWith(prefix)) return false;
    // Without a star a name has as many levels as the pattern.
    return pattern.includes('*') || levelsOf(pattern) >= levelsOf(prefix);
  }

  /** RFC 9051 6.3.9: levels that are no mailboxes are listed for `%` and by their names; `*` is for what is there. */
  matchesPlace(name: string): boolean {
    return !this.#pattern.endsWith('*') && this.matches(name);
  }

  matches(name: string): boolean {
    const pattern = this.#pattern;
    if (pattern === '*') return true;
    if (this.#isLiteral || name.length < this.#lengthMin) return pattern === name;
    const { length } = pattern;
    let reached = new Uint8Array(length + 1);
    let next = new Uint8Array(length + 1);
    spread(pattern, reached, 0);
    for (let at = 0; at < name.length; at++) {
      next.fill(0);
      for (let place = 0; place < length; place++) {
        if (reached[place] === 0) continue;
        const wanted = pattern[place];
        if (wanted === '*' || (wanted === '%' && name[at] !== delimiter)) spread(pattern, next, place);
        else if (wanted === name[at]) spread(pattern, next, place + 1);
      }
      [reached, next] = [next, reached];
    }
    return reached[length] === 1;
  }
}

function levelsOf(text: string): number {
  return text.split(delimiter).length;
}

/** Marks a place, and the one behind a wildcard there, which may match nothing. */
function spread(pattern: string, reached: Uint8Array, place: number): void {
  reached[place] = 1;
  if (pattern[place] === '*' || pattern[place] === '%') reached[place + 1] = 1;
}
