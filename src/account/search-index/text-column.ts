// One text a message, all in one string with line feeds between: a search of the column is one search of the string, and
// a value is a slice of it. Invariant: no value holds a line feed (folded text has none; others are made so).

import { bytesOfText, textOf } from './packed-columns.ts';
import { lastNotAbove } from './term-table.ts';

const lineFeeds = /\n/g;

export function packTexts(values: readonly string[]): Buffer {
  const lines = values.map((value) => (value.includes('\n') ? value.replace(lineFeeds, ' ') : value));
  return bytesOfText(lines.length === 0 ? '' : `${lines.join('\n')}\n`);
}

export class TextColumn {
  readonly text: string;
  /** Where each value begins; one more for the end. */
  readonly starts: Uint32Array;

  constructor(column: Buffer, count: number) {
    this.text = textOf(column);
    this.starts = new Uint32Array(count + 1);
    let at = 0;
    for (let index = 0; index < count; index++) {
      this.starts[index] = at;
      at = this.text.indexOf('\n', at) + 1;
    }
    this.starts[count] = at;
  }

  value(index: number): string {
    return this.text.slice(this.starts[index]!, this.starts[index + 1]! - 1);
  }

  /** Calls back with each message whose value contains `part`, which has no line feed. */
  eachWith(part: string, visit: (index: number) => void): void {
    for (let at = this.text.indexOf(part); at !== -1; ) {
      const index = lastNotAbove(this.starts, at);
      if (index + 1 >= this.starts.length) return;
      visit(index);
      at = this.text.indexOf(part, this.starts[index + 1]!);
    }
  }
}
