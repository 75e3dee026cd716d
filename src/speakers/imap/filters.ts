// Named searches (RFC 5466): a FILTER key stands for the search that the server's annotation of its name holds, a private one
// before a shared one. Invariant: what comes out has no FILTER key, and is as bounded as what a client may send.
// A filter that is not there, or that no search is, is NO [UNDEFINED-FILTER]; so is one that names others without end.

import { searchDepthMax, searchKeysMax } from '../../mail/search-key.ts';
import { ImapSyntaxError } from '../../wire/imap/imap-syntax-error.ts';
import { parseStoredSearch } from '../../wire/imap/parse-search.ts';
import type { SearchProgram } from '../../wire/imap/search-command.ts';
import { hasCriterion, type SearchCriterion } from '../../wire/imap/search-criterion.ts';
import { undefinedFilter } from './search-key.ts';
import { accountOf, type ImapSession } from './session.ts';

/** RFC 5466 3.1 wants three at least; with an end there are no loops. */
const passesMax = 5;
const scopes = ['/private/filters/values/', '/shared/filters/values/'] as const;

interface Expansion {
  readonly values: ReadonlyMap<string, Uint8Array>;
  keys: number;
  usesModSeq: boolean;
  usesFuzzy: boolean;
}

/** The program with its filters put in; itself when it has none. */
export async function withFilters<Program extends SearchProgram>(
  session: ImapSession,
  program: Program,
): Promise<Program> {
  if (!hasCriterion(program.key, ['filter'])) return program;
  const annotations = await accountOf(session).annotations(undefined);
  const { usesModSeq, usesFuzzy } = program;
  const values = new Map(annotations.map(({ name, value }) => [name, value]));
  const expansion: Expansion = { values, keys: 0, usesModSeq, usesFuzzy };
  const key = expanded(program.key, expansion, 0);
  if (depthOf(key) > searchDepthMax) throw new ImapSyntaxError('search is nested too deeply');
  return { ...program, key, usesModSeq: expansion.usesModSeq, usesFuzzy: expansion.usesFuzzy };
}

/** Whether a value may be kept: all that is not for a filter may. */
export function isFilterKept(name: string, value: Uint8Array): boolean {
  if (!scopes.some((scope) => name.startsWith(scope))) return true;
  try {
    parseStoredSearch(value);
    return true;
  } catch (error) {
    if (error instanceof ImapSyntaxError) return false;
    throw error;
  }
}

function expanded(criterion: SearchCriterion, expansion: Expansion, passes: number): SearchCriterion {
  // What is put in twice counts twice.
  if (++expansion.keys > 2 * searchKeysMax) throw new ImapSyntaxError('too many search keys');
  const within = (key: SearchCriterion): SearchCriterion => expanded(key, expansion, passes);
  if ('keys' in criterion) return { ...criterion, keys: criterion.keys.map(within) };
  if ('key' in criterion) return { ...criterion, key: within(criterion.key) };
  if (criterion.type !== 'filter') return criterion;
  return expanded(storedSearch(criterion.name, expansion, passes), expansion, passes + 1);
}

function storedSearch(name: string, expansion: Expansion, passes: number): SearchCriterion {
  const places = scopes.map((scope) => scope + name.toLowerCase());
  const value = places.map((place) => expansion.values.get(place)).find((found) => found !== undefined);
  if (value === undefined || passes >= passesMax) throw undefinedFilter(name);
  try {
    const { key, usesModSeq, usesFuzzy } = parseStoredSearch(value);
    expansion.usesModSeq ||= usesModSeq;
    expansion.usesFuzzy ||= usesFuzzy;
    return key;
  } catch (error) {
    if (error instanceof ImapSyntaxError) throw undefinedFilter(name);
    throw error;
  }
}

function depthOf(criterion: SearchCriterion): number {
  if ('key' in criterion) return 1 + depthOf(criterion.key);
  return 'keys' in criterion ? 1 + Math.max(0, ...criterion.keys.map(depthOf)) : 1;
}
