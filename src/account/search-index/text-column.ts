// One text a message, all in one string with line feeds between: a search of the column is one search of the string, and
// a value is a slice of it. Invariant: no value holds a line feed (folded text has none; others are made so).

import { bytesOf, bytesOfText, textOf, uint32sOf } from './packed-columns.ts';
import { lastNotAbove } from './term-table.ts';

const lineFeeds = /\n/g;

/** Without what parts the values of a column. */
export function asLine(text: string): string {
  return text.includes('\n') ? text.replace(lineFeeds, ' ') : text;
}

export function packTexts(values: readonly string[]): readonly [starts: Uint8Array, text: Buffer] {
  const lines = values.map(asLine);
  const starts = new Uint32Array(values.length + 1);
  for (const [index, line] of lines.entries()) starts[index + 1] = starts[index]! + line.length + 1;
  return [bytesOf(starts), bytesOfText(lines.length === 0 ? '' : `${lines.join('\n')}\n`)];
}

export class TextColumn {
  /** Where each value begins; one more for the end. */
  readonly #starts: Uint32Array;
  readonly #packed: Buffer;
  #text: string | undefined;

  /** What `packTexts` gave. */
  constructor(columns: readonly Buffer[]) {
    const [starts, text] = columns;
    this.#starts = uint32sOf(starts!);
    this.#packed = text!;
  }

  get text(): string {
    this.#text ??= textOf(this.#packed);
    return this.#text;
  }

  /** How many values. */
  get count(): number {
    return this.#starts.length - 1;
  }

  value(index: number): string {
    return this.text.slice(this.#starts[index]!, this.#starts[index + 1]! - 1);
  }

  /** Calls back with each message whose value contains `part`, which has no line feed. */
  eachWith(part: string, visit: (index: number) => void): void {
    const { text } = this;
    const starts = this.#starts;
    for (let at = text.indexOf(part); at !== -1; ) {
      const index = lastNotAbove(starts, at);
      if (index + 1 >= starts.length) return;
      visit(index);
      at = text.indexOf(part, starts[index + 1]!);
    }
  }
}
