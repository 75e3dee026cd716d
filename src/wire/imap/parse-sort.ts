// SORT and THREAD (RFC 5256; RFC 5267 3 for RETURN), and what they share with SEARCH.

import {
  type SortCriterion,
  type SortField,
  sortCriteriaMax,
  type ThreadAlgorithm,
} from '../../mail/message-order.ts';
import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { checkCharset, parseSearchProgram } from './parse-search.ts';
import { parseSearchReturn } from './parse-search-return.ts';
import type { SearchReturn, SortCommand, ThreadCommand } from './search-command.ts';

const fields: ReadonlyMap<string, SortField> = new Map<string, SortField>([
  ['ARRIVAL', 'arrival'],
  ['CC', 'cc'],
  ['DATE', 'date'],
  ['FROM', 'from'],
  ['SIZE', 'size'],
  ['SUBJECT', 'subject'],
  ['TO', 'to'],
  ['DISPLAYFROM', 'displayFrom'],
  ['DISPLAYTO', 'displayTo'],
  ['RELEVANCY', 'relevancy'],
]);

const algorithms: ReadonlyMap<string, ThreadAlgorithm> = new Map<string, ThreadAlgorithm>([
  ['ORDEREDSUBJECT', 'orderedSubject'],
  ['REFERENCES', 'references'],
  ['REFS', 'refs'],
]);

/** SORT [SP RETURN SP "(" … ")"] SP "(" criterion *(SP criterion) ")" SP charset SP search-key *(SP search-key). */
export function parseSort(cursor: ArgumentCursor, tag: string, uid: boolean): SortCommand {
  const wanted = cursor.takeWord('RETURN') ? parseSearchReturn(cursor) : undefined;
  cursor.expect(' ');
  const criteria = parseCriteria(cursor);
  const program = parseCharsetAndKeys(cursor, wanted);
  const asksRelevancy = wanted?.relevancy === true || criteria.some(({ field }) => field === 'relevancy');
  if (asksRelevancy && !program.usesFuzzy) throw new ImapSyntaxError('RELEVANCY needs a FUZZY key');
  return { tag, name: 'SORT', uid, return: wanted, criteria, ...program };
}

function parseCriteria(cursor: ArgumentCursor): SortCriterion[] {
  const criteria: SortCriterion[] = [];
  cursor.expect('(');
  do {
    let word = cursor.word('sort criterion');
    const reverse = word === 'REVERSE';
    if (reverse) {
      cursor.expect(' ');
      word = cursor.word('sort criterion');
    }
    const field = fields.get(word);
    if (field === undefined) throw new ImapSyntaxError('unknown sort criterion');
    if (criteria.length >= sortCriteriaMax) throw new ImapSyntaxError('too many sort criteria');
    criteria.push({ field, reverse });
  } while (cursor.take(' '));
  cursor.expect(')');
  return criteria;
}

function parseCharsetAndKeys(cursor: ArgumentCursor, wanted?: SearchReturn) {
  cursor.expect(' ');
  checkCharset(cursor.astringOctets('charset'), { wanted });
  return parseSearchProgram(cursor);
}

/** THREAD SP algorithm SP charset SP search-key *(SP search-key). */
export function parseThread(cursor: ArgumentCursor, tag: string, uid: boolean): ThreadCommand {
  cursor.expect(' ');
  const algorithm = algorithms.get(cursor.word('threading algorithm'));
  if (algorithm === undefined) throw new ImapSyntaxError('unknown threading algorithm');
  return { tag, name: 'THREAD', uid, algorithm, ...parseCharsetAndKeys(cursor) };
}
