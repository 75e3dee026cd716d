// `config show`: the configuration in effect as TOML, secrets masked.

import { stringify } from 'smol-toml';
import { type Config, configSchema, secretKeyPattern } from './schema.ts';
import { schemaKeys } from './schema-walk.ts';
import { formatDuration, type ListenAddress } from './units.ts';

function isListenAddress(value: unknown): value is ListenAddress {
  return typeof value === 'object' && value !== null && 'address' in value && 'port' in value;
}

/** "127.0.0.1:2143", "[::1]:2143". */
export function formatListenAddress(listen: ListenAddress): string {
  return listen.address.includes(':')
    ? `[${listen.address}]:${listen.port}`
    : `${listen.address}:${listen.port}`;
}

const durationKeys = new Set(schemaKeys(configSchema).flatMap((key) => (key.isDuration ? [key.key] : [])));

function shown(key: string, value: unknown): unknown {
  if (value === undefined) return undefined;
  if (secretKeyPattern.test(key)) return '***';
  if (durationKeys.has(key)) return formatDuration(value as number);
  if (isListenAddress(value)) return formatListenAddress(value);
  if (Array.isArray(value)) return value.map((member) => shown(key, member));
  if (typeof value === 'object' && value !== null)
    return shownTable(`${key}.`, value as Record<string, unknown>);
  return value;
}

function shownTable(prefix: string, table: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(table)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, shown(prefix + key, value)]),
  );
}

/** Plain data for --json, as it could be written in a file: secrets masked, sizes in bytes. */
export function maskedConfig(config: Config): Record<string, unknown> {
  return shownTable('', config);
}

/** What maskedConfig gave, as text. */
export function configAsToml(masked: Record<string, unknown>): string {
  return stringify(masked);
}

/** Dotted keys whose values differ, one that is in only one of them included. */
export function changedKeys(before: Config, after: Config): string[] {
  const flat = (table: Record<string, unknown>, prefix: string): [string, string][] =>
    Object.entries(table).flatMap(([key, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? flat(value as Record<string, unknown>, `${prefix}${key}.`)
        : [[prefix + key, JSON.stringify(value)] as [string, string]],
    );
  const [old, wanted] = [new Map(flat(before, '')), new Map(flat(after, ''))];
  const keys = new Set([...wanted.keys(), ...old.keys()]);
  return [...keys].filter((key) => old.get(key) !== wanted.get(key));
}
