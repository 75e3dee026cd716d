// Option values as people type them; a wrong one is a usage error that says what was expected.

import { InvalidArgumentError } from 'commander';
import { duration } from '../config/units.ts';
import { services } from '../directory/directory.ts';
import { tokenScopes } from '../directory/tokens.ts';

export function parseBoolean(text: string): boolean {
  if (['yes', 'true', 'on', '1'].includes(text)) return true;
  if (['no', 'false', 'off', '0'].includes(text)) return false;
  throw new InvalidArgumentError('expected yes or no');
}

const sizeFactors: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** "10G", "500 MiB", bytes, or "none" → null (no limit). */
export function parseLimit(text: string): number | null {
  if (text === 'none' || text === 'unlimited') return null;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('expected a number, a size such as 10G, or "none"');
  return Math.round(Number(match[1]) * sizeFactors[match[2]!.toLowerCase()]!);
}

/** Commander takes null for no value at all, so "none" stays a word until the request is made. */
export type Limit = number | 'none';

export const limitOption = (text: string): Limit => parseLimit(text) ?? 'none';

export const limitOf = (limit: Limit | undefined): number | null | undefined =>
  limit === 'none' ? null : limit;

/** "30 min" or a number of seconds → milliseconds. */
export function parseDuration(text: string): number {
  const parsed = duration('0 s').safeParse(/^\d+$/.test(text) ? Number(text) : text);
  if (!parsed.success) throw new InvalidArgumentError('expected a duration such as "30 min" or "1 d"');
  return parsed.data;
}

export function parseWholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a number');
  return Number(text);
}

export function parseServices(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !(services as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`"${unknown}" is no service; there are ${services.join(', ')}`);
  return names;
}

/** May be given several times. */
export function collectScope(value: string, previous: readonly string[] = []): string[] {
  if (!(tokenScopes as readonly string[]).includes(value))
    throw new InvalidArgumentError(`expected one of ${tokenScopes.join(', ')}`);
  return collect(value, previous);
}

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
