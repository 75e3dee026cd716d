// The layouts that Rookery is measured in: their names, what they are, and how to start each.

import { InvalidArgumentError } from 'commander';
import { type RookeryOptions, type RookeryTarget, startRookery } from './rookery.ts';
import { startCluster } from './rookery-cluster.ts';

/** By name; N is a number from 1 to 9. */
export const layouts: Readonly<Record<string, string>> = {
  lmdb: 'one process, embedded engine',
  'workers-N': 'one server with N worker processes over one embedded engine',
  'postgres-N': 'N nodes with all roles and one PostgreSQL; clients talk to the first',
  frontend: 'a frontend that hosts nothing, a node behind it that hosts everything, one PostgreSQL',
  'frontend-outer': 'the same with the frontend in the outer zone: no way to the database',
};

const patterns = Object.keys(layouts).map((name) => new RegExp(`^${name.replace('N', '[1-9]')}$`));

/** An option's value. */
export function parseLayout(text: string): string {
  if (patterns.some((pattern) => pattern.test(text))) return text;
  throw new InvalidArgumentError(`layouts are ${Object.keys(layouts).join(', ')} (N from 1 to 9)`);
}

export async function startLayout(
  directory: string,
  options: RookeryOptions & { readonly layout: string },
): Promise<RookeryTarget> {
  const isOneServer = options.layout === 'lmdb' || options.layout.startsWith('workers-');
  return await (isOneServer ? startRookery(directory, options) : startCluster(directory, options));
}
