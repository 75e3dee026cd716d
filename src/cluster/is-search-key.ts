// Whether what came over a link is a search key: of the shape that evaluators expect, and no larger than they bear.
// Pure; never throws.

import { searchDepthMax, searchKeysMax } from '../mail/search-key.ts';

const textsOf: Readonly<Record<string, readonly string[]>> = {
  flag: ['name'],
  date: ['of', 'compare'],
  header: ['field', 'text'],
  body: ['text'],
  text: ['text'],
};
const numbersOf: Readonly<Record<string, readonly string[]>> = {
  largerThan: ['bytes'],
  smallerThan: ['bytes'],
  date: ['day'],
  modSeqSince: ['modSeq'],
  emailId: ['emailId'],
  threadId: ['threadId'],
};
const enough = new Set(['all', 'flag', ...Object.keys(textsOf), ...Object.keys(numbersOf)]);

/** By hand, because the evaluator recurses: depth and number are limited here as the parsers limit them. */
export function isSearchKey(value: unknown, depth = 0, seen = { count: 0 }): boolean {
  if (typeof value !== 'object' || value === null || depth > searchDepthMax) return false;
  if (++seen.count > searchKeysMax) return false;
  const key = value as Record<string, unknown>;
  const { type } = key;
  if (typeof type !== 'string') return false;
  if (type === 'not') return isSearchKey(key.key, depth + 1, seen);
  if (type === 'and' || type === 'or') {
    return Array.isArray(key.keys) && key.keys.every((inner) => isSearchKey(inner, depth + 1, seen));
  }
  if (type === 'uids')
    return Array.isArray(key.ranges) && key.ranges.every((uid) => Number.isSafeInteger(uid));
  if (type === 'flag' && typeof key.set !== 'boolean') return false;
  if (!enough.has(type)) return false;
  const isText = (name: string): boolean => typeof key[name] === 'string';
  const isNumber = (name: string): boolean => typeof key[name] === 'number';
  return (textsOf[type] ?? []).every(isText) && (numbersOf[type] ?? []).every(isNumber);
}
