// The RETURN options of SEARCH, SORT and ESEARCH (RFC 4731, 5182, 5267, 6203, 9394), and PARTIAL ranges, which UID FETCH
// has too.

import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import type { PartialRange, SearchReturn } from './search-command.ts';

const numberMax = 0xffff_ffff;

/** SP "(" [option *(SP option)] ")", behind the word RETURN. */
export function parseSearchReturn(cursor: ArgumentCursor): SearchReturn {
  const options = new Set<string>();
  let partial: PartialRange | undefined;
  cursor.expect(' ');
  cursor.expect('(');
  if (!cursor.take(')')) {
    do {
      const option = cursor.word('RETURN option');
      if (!known.has(option)) throw new ImapSyntaxError('unknown RETURN option');
      if (option === 'PARTIAL') {
        if (partial !== undefined) throw new ImapSyntaxError('only one PARTIAL is allowed');
        cursor.expect(' ');
        partial = parsePartialRange(cursor);
      }
      options.add(option);
    } while (cursor.take(' '));
    cursor.expect(')');
  } else options.add('ALL');
  if (partial !== undefined && options.has('ALL')) {
    throw new ImapSyntaxError('PARTIAL and ALL exclude each other');
  }
  return {
    min: options.has('MIN'),
    max: options.has('MAX'),
    all: options.has('ALL'),
    count: options.has('COUNT'),
    save: options.has('SAVE'),
    partial,
    relevancy: options.has('RELEVANCY'),
    update: options.has('UPDATE'),
  };
}

/** CONTEXT is a hint (RFC 5267 4.2): results come from what is kept in memory anyway. */
const known = new Set(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'PARTIAL', 'RELEVANCY', 'UPDATE', 'CONTEXT']);

/** RFC 9394 partial-range: `1:500`, `-1:-100`. */
export function parsePartialRange(cursor: ArgumentCursor): PartialRange {
  const start = cursor.at;
  const fromEnd = cursor.take('-');
  const first = position(cursor);
  cursor.expect(':');
  if (cursor.take('-') !== fromEnd) cursor.fail('range from one end');
  const last = position(cursor);
  return {
    from: Math.min(first, last),
    to: Math.max(first, last),
    fromEnd,
    text: cursor.text.slice(start, cursor.at),
  };
}

function position(cursor: ArgumentCursor): number {
  const number = cursor.number(numberMax, 'position');
  if (number === 0) cursor.fail('position from 1');
  return number;
}
