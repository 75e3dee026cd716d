// What the nodes of a cluster are configured with together: the document, and what it means for one node. Pure.
//
// A setting is taken from the first of these that has it: --set, the node's own file, the document's overrides for the
// node, the document's settings for all, the default. So an operator at a machine can always say otherwise, and what is
// the machine's own (its data directory, its name, where it finds the engine) comes from the machine alone.
// Invariant: a document that was accepted gives every node it names, and any other, a complete configuration; what a
// local file may add to make one that does not fit is found when that node loads it.
// Everything wrong is told at once, in one refusal (invalidArgument).

import { ConfigError, type ConfigProblem, formatConfigProblem } from '../config/config-error.ts';
import { type ConfigSources, loadConfig } from '../config/load-config.ts';
import type { Config } from '../config/schema.ts';
import type { NodeId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { parseNodeName } from './authority/node-name.ts';

/** Settings as they are written in a TOML file, with only those that are given. */
export interface SettingsTree {
  readonly [key: string]: unknown;
}

export interface ClusterSettings {
  /** For all nodes. */
  readonly settings: SettingsTree;
  /** For one node, stronger than `settings`. */
  readonly overrides: { readonly [node: string]: SettingsTree };
}

export const noClusterSettings: ClusterSettings = { settings: {}, overrides: {} };

/** What a machine alone can know. Its way to the engine is needed before the document can be read. */
const machineKeys: Readonly<Record<string, string>> = {
  data: 'the data directory is the machine’s own',
  cluster: 'a node’s name, addresses and roles are its own',
  'storage.engine': 'a node needs the engine before it can read this',
  'storage.url': 'a node needs the engine before it can read this',
  'storage.postgres': 'a node needs the engine before it can read this',
};

/** What differs from node to node: allowed for one node, never for all. */
const nodeKeys: Readonly<Record<string, string>> = {
  listen: 'addresses are a node’s own; give them to one node, or in its file',
};

/** A document is a page or two; each kept version is one row. */
const documentBytesMax = 256 * 1024;
const nodesMax = 1_000;
const depthMax = 8;

/** The defaults of one node, for loadConfig: below its file's values. */
export function nodeDefaults(
  { settings, overrides }: ClusterSettings,
  node: NodeId,
): Record<string, unknown> {
  const own = Object.hasOwn(overrides, node) ? overrides[node]! : {};
  return merged(settings, own);
}

/** The configuration of one node. Throws ConfigError when its file or overrides do not fit. */
export function nodeConfig(
  cluster: ClusterSettings,
  node: NodeId,
  local: Omit<ConfigSources, 'defaults'>,
): Config {
  return loadConfig({ ...local, defaults: nodeDefaults(cluster, node) });
}

/** `upper` over `lower`, table by table; lists are replaced whole. */
function merged(lower: SettingsTree, upper: SettingsTree): Record<string, unknown> {
  const result: Record<string, unknown> = structuredClone(lower) as Record<string, unknown>;
  for (const [key, value] of Object.entries(upper)) {
    const below = Object.hasOwn(result, key) ? result[key] : undefined;
    const above = isTable(below) && isTable(value) ? merged(below, value) : structuredClone(value);
    Object.defineProperty(result, key, {
      value: above,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return result;
}

function isTable(value: unknown): value is SettingsTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Refuses with invalidArgument, one line a problem, what no node could run with or what is not the cluster's to say. */
export function checkClusterSettings(document: ClusterSettings): void {
  if (Buffer.byteLength(JSON.stringify(document)) > documentBytesMax)
    throw new MailError('invalidArgument', `the configuration has more than ${documentBytesMax} bytes`);
  const nodes = Object.keys(document.overrides);
  if (nodes.length > nodesMax)
    throw new MailError('invalidArgument', `the configuration names more than ${nodesMax} nodes`);
  const problems = placeProblems(document.settings, 'cluster', { ...machineKeys, ...nodeKeys });
  for (const node of nodes) {
    const source = `nodes.${node}`;
    if (parseNodeName(node) === undefined)
      problems.push({ source, line: undefined, key: '', message: 'is no name of a node' });
    problems.push(...placeProblems(document.overrides[node]!, source, machineKeys));
  }
  if (problems.length === 0) {
    problems.push(...valueProblems(document.settings, 'cluster'));
    // What is wrong for all is told once.
    if (problems.length === 0)
      for (const node of nodes)
        problems.push(...valueProblems(nodeDefaults(document, node as NodeId), `nodes.${node}`));
  }
  if (problems.length > 0)
    throw new MailError('invalidArgument', problems.map(formatConfigProblem).join('\n'));
}

/** Keys that are not to be here, whatever their value. */
function placeProblems(
  tree: SettingsTree,
  source: string,
  forbidden: Readonly<Record<string, string>>,
): ConfigProblem[] {
  return tableKeys(tree, '', 0).flatMap((key) => {
    const reason = Object.hasOwn(forbidden, key) ? forbidden[key] : undefined;
    if (reason === undefined) return [];
    const message = `belongs in the node’s own configuration file: ${reason}`;
    return [{ source, line: undefined, key, message }];
  });
}

function tableKeys(tree: SettingsTree, prefix: string, depth: number): string[] {
  if (depth > depthMax) throw new MailError('invalidArgument', 'the configuration has too many levels');
  return Object.entries(tree).flatMap(([name, value]) => {
    const key = `${prefix}${name}`;
    return isTable(value) ? [key, ...tableKeys(value, `${key}.`, depth + 1)] : [key];
  });
}

function valueProblems(tree: SettingsTree, source: string): ConfigProblem[] {
  try {
    loadConfig({ defaults: tree as Record<string, unknown> });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => ({ ...problem, source }));
  }
}

/** With one setting changed; `value` undefined: taken out. `node` undefined: for all nodes. */
export function withSetting(
  { settings, overrides }: ClusterSettings,
  { node, key, value }: { readonly node: string | undefined; readonly key: string; readonly value: unknown },
): ClusterSettings {
  const names = key.split('.');
  if (node === undefined) return { settings: changedAt(settings, names, value), overrides };
  const own = Object.hasOwn(overrides, node) ? overrides[node]! : {};
  const { [node]: _, ...others } = overrides;
  const next = changedAt(own, names, value);
  return { settings, overrides: Object.keys(next).length === 0 ? others : { ...others, [node]: next } };
}

function changedAt(
  tree: SettingsTree,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): SettingsTree {
  const { [name]: below, ...others } = tree;
  if (rest.length === 0) return value === undefined ? others : { ...others, [name]: value };
  const next = changedAt(isTable(below) ? below : {}, rest, value);
  return Object.keys(next).length === 0 ? others : { ...others, [name]: next };
}

export interface SettingChange {
  /** Undefined: for all nodes. */
  readonly node?: string;
  /** Dotted. */
  readonly key: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What applying `after` over `before` changes, in the order of nodes and keys; undefined where it is not given. */
export function diffClusterSettings(before: ClusterSettings, after: ClusterSettings): SettingChange[] {
  const changes = [...diffTrees(before.settings, after.settings)];
  const nodes = new Set([...Object.keys(before.overrides), ...Object.keys(after.overrides)]);
  for (const node of [...nodes].sort()) {
    const trees = diffTrees(before.overrides[node] ?? {}, after.overrides[node] ?? {});
    changes.push(...trees.map((change) => ({ node, ...change })));
  }
  return changes;
}

function diffTrees(before: SettingsTree, after: SettingsTree): SettingChange[] {
  const old = new Map(leaves(before, ''));
  const fresh = new Map(leaves(after, ''));
  const keys = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  return keys.flatMap((key) => {
    const change = { key, before: old.get(key), after: fresh.get(key) };
    return JSON.stringify(change.before) === JSON.stringify(change.after) ? [] : [change];
  });
}

function leaves(tree: SettingsTree, prefix: string): [string, unknown][] {
  return Object.entries(tree).flatMap(([name, value]) =>
    isTable(value) ? leaves(value, `${prefix}${name}.`) : [[prefix + name, value] as [string, unknown]],
  );
}
