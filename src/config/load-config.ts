// Loading: TOML text (or none) and `--set key=value` overrides → a checked, frozen Config, or a ConfigError that
// lists every problem with its file, line and key.

import { readFileSync } from 'node:fs';
import { type AST, getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import type { z } from 'zod';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { nearestKey } from './nearest-key.ts';
import { type Config, configSchema, intakeMemoryMin } from './schema.ts';
import { schemaKeysAt } from './schema-walk.ts';

export interface ConfigSources {
  /** Path of a TOML file. */
  readonly file?: string;
  /** `key.path=value` as given to --set. */
  readonly overrides?: readonly string[];
  /** Defaults below the file's values (the quick start's). */
  readonly defaults?: Record<string, unknown>;
}

type Tree = Record<string, unknown>;

export function loadConfig(sources: ConfigSources): Config {
  const problems: ConfigProblem[] = [];
  const tree: Tree = structuredClone(sources.defaults ?? {});
  const lines = new Map<string, number>();
  if (sources.file !== undefined) mergeInto(tree, readToml(sources.file, lines));
  const overridden = new Set<string>();
  for (const override of sources.overrides ?? []) applyOverride(tree, override, { problems, overridden });
  const parsed = configSchema.safeParse(tree, { reportInput: true });
  if (!parsed.success) {
    const file = sources.file ?? 'configuration';
    for (const issue of parsed.error.issues) problems.push(...problemsOf(issue, { file, lines, overridden }));
  }
  // In the order of the file, as its reader goes through it; what has no line comes first.
  problems.sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
  if (problems.length > 0) throw new ConfigError(problems);
  const config = parsed.data as Config;
  const impossible = combinationProblems(config, sources.file ?? 'configuration', lines);
  if (impossible.length > 0) throw new ConfigError(impossible);
  return deepFreeze(config);
}

function readToml(file: string, lines: Map<string, number>): Tree {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([
      { source: file, line: undefined, key: '', message: `cannot be read: ${(error as Error).message}` },
    ]);
  }
  try {
    const program = parseTOML(text, { filePath: file });
    collectLines(program.body[0].body, '', lines);
    return getStaticTOMLValue(program) as Tree;
  } catch (error) {
    const line = (error as { lineNumber?: number }).lineNumber;
    throw new ConfigError([
      { source: file, line, key: '', message: `is not valid TOML: ${(error as Error).message}` },
    ]);
  }
}

function collectLines(
  nodes: readonly (AST.TOMLKeyValue | AST.TOMLTable)[],
  prefix: string,
  lines: Map<string, number>,
): void {
  for (const node of nodes) {
    const name = node.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value)).join('.');
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (!lines.has(path)) lines.set(path, node.loc.start.line);
    if (node.type === 'TOMLTable') collectLines(node.body, path, lines);
    else if (node.value.type === 'TOMLInlineTable') collectLines(node.value.body, path, lines);
  }
}

function mergeInto(target: Tree, source: Tree): void {
  for (const [key, value] of Object.entries(source)) {
    const existing = target[key];
    if (isTree(existing) && isTree(value)) mergeInto(existing, value);
    else target[key] = value;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface OverrideState {
  readonly problems: ConfigProblem[];
  readonly overridden: Set<string>;
}

function applyOverride(tree: Tree, override: string, state: OverrideState): void {
  const equals = override.indexOf('=');
  if (equals <= 0) {
    const message = `expected key=value such as listen.imap=127.0.0.1:3143, found "${override}"`;
    state.problems.push({ source: '--set', line: undefined, key: '', message });
    return;
  }
  const key = override.slice(0, equals).trim();
  const names = key.split('.');
  let place = tree;
  for (const name of names.slice(0, -1)) {
    if (!isTree(place[name])) place[name] = {};
    place = place[name] as Tree;
  }
  place[names.at(-1)!] = parseSettingValue(override.slice(equals + 1).trim());
  state.overridden.add(key);
}

/** A TOML value when it reads as one (true, 10, ["a"]), the bare text otherwise. */
export function parseSettingValue(text: string): unknown {
  try {
    return (getStaticTOMLValue(parseTOML(`value = ${text}`)) as Tree).value;
  } catch {
    return text; // not TOML syntax: a bare string such as 127.0.0.1:3143
  }
}

interface ProblemContext {
  readonly file: string;
  readonly lines: ReadonlyMap<string, number>;
  readonly overridden: ReadonlySet<string>;
}

function problemsOf(issue: z.core.$ZodIssue, context: ProblemContext): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const near = nearestKey(key, schemaKeysAt(configSchema, path));
      const hint =
        near === undefined
          ? `known keys here: ${schemaKeysAt(configSchema, path).join(', ')}`
          : `did you mean "${near}"?`;
      return problemAt([...path, key], `unknown key; ${hint}`, context);
    });
  }
  return [problemAt(path, expectation(issue), context)];
}

function expectation(issue: z.core.$ZodIssue): string {
  const found = 'input' in issue ? `; found ${describe(issue.input)}` : '';
  return issue.code === 'custom' ? issue.message : `expected ${expected(issue)}${found}`;
}

/** What zod says of a union that was given no words. */
const noWordsOfItsOwn = 'Invalid input';

function expected(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return issue.expected;
  if (issue.code === 'invalid_value')
    return `one of ${issue.values.map((value) => `"${String(value)}"`).join(', ')}`;
  if (issue.code === 'invalid_union' && issue.message !== noWordsOfItsOwn) return issue.message;
  if (issue.code === 'invalid_union') return [...new Set(issue.errors.flat().map(expected))].join(' or ');
  if (issue.code === 'too_small') return `at least ${issue.minimum}`;
  return issue.message;
}

function describe(input: unknown): string {
  if (input === undefined) return 'nothing';
  return Array.isArray(input) ? 'a list' : JSON.stringify(input);
}

function problemAt(path: readonly string[], message: string, context: ProblemContext): ConfigProblem {
  const key = path.join('.');
  if (context.overridden.has(key)) return { source: '--set', line: undefined, key, message };
  let line: number | undefined;
  for (let length = path.length; length > 0 && line === undefined; length--)
    line = context.lines.get(path.slice(0, length).join('.'));
  return { source: context.file, line, key, message };
}

/** Combinations that each key allows by itself but that cannot be. */
function combinationProblems(
  config: Config,
  file: string,
  lines: ReadonlyMap<string, number>,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const takenBy = new Map<string, string>();
  for (const [name, addresses] of Object.entries(config.listen)) {
    for (const { address, port } of addresses) {
      const place = `${address}:${port}`;
      const other = port === 0 ? undefined : takenBy.get(place);
      takenBy.set(place, name);
      if (other === undefined) continue;
      const message = `${place} is also given to listen.${other}; each listener needs its own`;
      problems.push({ source: file, line: lines.get(`listen.${name}`), key: `listen.${name}`, message });
    }
  }
  if (config.storage.engine === 'postgres' && config.storage.url === undefined) {
    const message =
      'storage.engine "postgres" needs storage.url, such as "postgres://rookery@db.example/rookery"';
    problems.push({ source: file, line: lines.get('storage.engine'), key: 'storage.engine', message });
  }
  const { engine, blobs, blob_directory } = config.storage;
  if (engine === 'postgres' && blobs === 'directory' && blob_directory === undefined) {
    const message =
      '"directory" with storage.engine "postgres" needs storage.blob_directory: all nodes share it, and the data directory is a node’s own';
    problems.push({ source: file, line: lines.get('storage.blobs'), key: 'storage.blobs', message });
  }
  if (config.limits.intake_memory < intakeMemoryMin(config)) {
    const message = 'must be at least twice limits.message_size, or the largest messages could never come in';
    problems.push({
      source: file,
      line: lines.get('limits.intake_memory'),
      key: 'limits.intake_memory',
      message,
    });
  }
  return problems;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
