// Who may import whom (ARCHITECTURE.md, "Ranks"). In src a file imports from its own folder or from a folder of a
// lower rank, never sideways, types included. No import goes round in a circle, but for types within one folder: they
// are erased before the program runs, so a table of commands and the session it commands may name each other's.
// compose.ts (with compose-*.ts) and main.ts choose the parts and may import all of them.
//
// A unit's test (x.test.ts, and the x-contract.ts it shares) may also import folders of the same rank and test/:
// it puts together what the product keeps apart. test/, bench/ and scripts/ are outside the ranks; src imports none of
// them. What ships imports only what is in `dependencies`.

import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { projectRoot, readSources, type SourceFile } from './source-files.ts';

/** Rank of each folder of src; a folder that is missing here has no business in src. */
const ranks: Readonly<Record<string, number>> = {
  base: 0,
  config: 1,
  mail: 1,
  wire: 2,
  storage: 3,
  directory: 4,
  account: 4,
  cluster: 5,
  transport: 6,
  speakers: 7,
  operator: 8,
};

const exempt = /^src\/(?:compose(?:-\w+)?|main)\.ts$/;

interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
}

const importPatterns = [
  /\b(?:import|export)\s+(?:type\s+)?[\w*{][^;'"`]*?\sfrom\s+'([^']+)'/g,
  /\bimport\s+'([^']+)'/g,
  /\bimport\(\s*'([^']+)'/g,
  /\bnew URL\(\s*'(\.[^']+\.[tj]s)',\s*import\.meta\.url/g,
  /\bsiblingModule\(\s*import\.meta\.url,\s*'([^']+)'/g,
];

/** Every module a file names, with the line it stands on. */
export function importsOf(text: string): Import[] {
  return importPatterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => ({
      specifier: match[1]!,
      line: text.slice(0, match.index).split('\n').length,
      typeOnly: /^(?:import|export)\s+type\s/.test(match[0]),
    })),
  );
}

/** `src/wire/imap/parser.ts` → `wire`; undefined for files that stand in src itself. */
function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function resolveImport(from: string, specifier: string): string {
  const path = posix.join(posix.dirname(from), specifier);
  return /\.[a-z]+$/.test(path) ? path : `${path}.ts`;
}

const isTest = (path: string): boolean => /(\.test|-contract)\.ts$/.test(path);

/** What is wrong with one import, or undefined. */
function judge(from: string, to: string): string | undefined {
  if (!to.startsWith('src/')) {
    if (isTest(from) || to === 'package.json') return undefined;
    return `${to} is outside src`;
  }
  if (isTest(to) && !isTest(from)) return `${to} is a test`;
  if (exempt.test(from)) return undefined;
  if (exempt.test(to)) return `${to} stands above every rank`;
  const [ours, theirs] = [folderOf(from), folderOf(to)];
  const ourRank = ranks[ours ?? ''];
  const theirRank = ranks[theirs ?? ''];
  if (ourRank === undefined) return `${from} is in no ranked folder`;
  if (theirRank === undefined) return `${to} is in no ranked folder`;
  if (ours === theirs || theirRank < ourRank) return undefined;
  if (theirRank === ourRank)
    return isTest(from) ? undefined : `${theirs} is sideways of ${ours} (rank ${ourRank})`;
  return `${theirs} (rank ${theirRank}) is above ${ours} (rank ${ourRank})`;
}

/** All violations in the files given, one line each; `dependencies` are the packages that ship. */
export function findViolations(files: readonly SourceFile[], dependencies: ReadonlySet<string>): string[] {
  const violations: string[] = [];
  const graph = new Map<string, string[]>();
  for (const { path, text } of files) {
    if (!path.startsWith('src/')) continue;
    const targets: string[] = [];
    graph.set(path, targets);
    for (const { specifier, line, typeOnly } of importsOf(text)) {
      const wrong = specifier.startsWith('.')
        ? judge(path, resolveImport(path, specifier))
        : judgePackage(path, specifier, dependencies);
      if (wrong !== undefined) violations.push(`${path}:${line}: ${wrong}`);
      if (specifier.startsWith('.') && !typeOnly) targets.push(resolveImport(path, specifier));
    }
  }
  return [...violations, ...findCycles(graph)];
}

function judgePackage(
  from: string,
  specifier: string,
  dependencies: ReadonlySet<string>,
): string | undefined {
  if (isBuiltin(specifier)) return specifier.startsWith('node:') ? undefined : `write node:${specifier}`;
  if (isTest(from)) return undefined;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return dependencies.has(name) ? undefined : `${name} is not in "dependencies", so what ships would lack it`;
}

/** Every file is visited once; a file met again on the way to itself closes a circle. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): void => {
    const at = way.indexOf(path);
    if (at >= 0) {
      cycles.push(`circle: ${[...way.slice(at), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    way.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    way.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return cycles;
}

if (import.meta.main) {
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const violations = findViolations(readSources(['src']), new Set(Object.keys(manifest.dependencies)));
  for (const violation of violations) console.log(violation);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
