// The cluster's configuration as operators write it: TOML with the keys of a node's file, and a table [nodes.NAME] for what
// one node has otherwise. What is not TOML is refused with invalidArgument; values are checked when it is applied.

import { parse, stringify } from 'smol-toml';
import { MailError } from '../mail/mail-error.ts';
import type { ClusterSettings, SettingsTree } from './cluster-configuration.ts';

const nodesTable = 'nodes';

export function parseClusterSettings(text: string): ClusterSettings {
  let tree: Record<string, unknown>;
  try {
    // Through JSON: dates and the like are no settings, and are refused as wrong text by the schema.
    tree = JSON.parse(JSON.stringify(parse(text))) as Record<string, unknown>;
  } catch (cause) {
    const message = `the configuration is not valid TOML: ${(cause as Error).message}`;
    throw new MailError('invalidArgument', message, { cause });
  }
  const { [nodesTable]: overrides = {}, ...settings } = tree;
  if (!isTableOfTables(overrides))
    throw new MailError('invalidArgument', 'nodes: expected a table [nodes.NAME] for each node');
  return { settings, overrides };
}

export function formatClusterSettings({ settings, overrides }: ClusterSettings): string {
  const hasOverrides = Object.keys(overrides).length > 0;
  return stringify({ ...settings, ...(hasOverrides ? { [nodesTable]: overrides } : {}) });
}

function isTable(value: unknown): value is SettingsTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTableOfTables(value: unknown): value is { readonly [node: string]: SettingsTree } {
  return isTable(value) && Object.values(value).every(isTable);
}
