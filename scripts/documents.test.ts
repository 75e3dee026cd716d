// The pages that people read tell of things that are there: files, sections, npm's scripts, commands with their options,
// metrics. The runbook's commands are run, too (test/cluster/operations.test.ts).

import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { documentedProgram } from '../src/operator/documented-program.ts';
import { listFiles, projectRoot, readSources } from './source-files.ts';

const pages = [
  ...globSync('*.md', { cwd: projectRoot }),
  ...listFiles('docs', '.md'),
  ...listFiles('docs', '.yaml'),
].map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }));

/** `npm run bench` makes it. */
const madeLater = 'bench/results/latest.json';

const isThere = (path: string): boolean => path === madeLater || existsSync(join(projectRoot, path));

/** What `find` yields for each page, with the page's name in front. */
function wrong(find: (page: { path: string; text: string }) => Iterable<string>): string[] {
  return pages.flatMap((page) => [...find(page)].map((what) => `${page.path}: ${what}`));
}

/** As GitHub makes them. */
function anchorsOf(path: string): string[] {
  const text = readFileSync(join(projectRoot, path), 'utf8');
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('links between pages lead to files and sections that are there', () => {
  const broken = wrong(function* ({ path, text }) {
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [file = '', anchor] = link!.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!isThere(target)) yield link!;
      else if (anchor !== undefined && !anchorsOf(target).includes(anchor)) yield link!;
    }
  });
  assert.deepEqual(broken, []);
});

test('files and folders of the project that pages name are there', () => {
  const missing = wrong(function* ({ text }) {
    for (const [, path] of text.matchAll(
      /(?<![\w/.])((?:src|test|scripts|bench|docs|rfc)\/[\w\-./*]*[\w*/])/g,
    )) {
      const isPattern = path!.includes('*');
      if (isPattern ? globSync(path!, { cwd: projectRoot }).length === 0 : !isThere(path!)) yield path!;
    }
  });
  assert.deepEqual(missing, []);
});

test("pages name npm's scripts that package.json has", () => {
  const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const missing = wrong(function* ({ text }) {
    for (const [, name] of text.matchAll(/npm run ([\w:]+)/g)) if (!(name! in scripts)) yield name!;
  });
  assert.deepEqual(missing, []);
});

/** As they stand between backticks and in blocks for a shell, lines that go on put together. */
function commandsOf(text: string): string[] {
  const inText = [...text.matchAll(/`rookery ([^`]+)`/g)].map(([, command]) => command!);
  const inBlocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) =>
    [...block!.replaceAll('\\\n', ' ').matchAll(/^ *(?:rookery|node bin\/rookery\.js) (.+)$/gm)].map(
      ([, command]) => command!,
    ),
  );
  return [...inText, ...inBlocks];
}

/** Of a command, those above it and those below it: `cluster token --uses 2` is an option of `cluster token create`. */
function optionsAround(command: Command): Set<string | undefined> {
  const below = (each: Command): Command[] => [each, ...each.commands.flatMap(below)];
  const above = (each: Command | null): Command[] => (each === null ? [] : [each, ...above(each.parent)]);
  const around = [...below(command), ...above(command)];
  return new Set(['--help', ...around.flatMap(({ options }) => options.map(({ long }) => long))]);
}

test('commands that pages name are there, with the options that stand behind them', () => {
  const program = documentedProgram();
  const unknown = wrong(function* ({ text }) {
    for (const command of commandsOf(text)) {
      let found = program;
      // Options of every command may come first, each with a value.
      for (const word of command.replace(/^(?:--\S+ \S+\s+)+/, '').split(/\s+/)) {
        const next = found.commands.find((each) => each.name() === word);
        if (next === undefined && found.commands.length > 0 && /^[a-z][a-z-]*$/.test(word))
          yield `${command}: ${word}`;
        if (next === undefined) break;
        found = next;
      }
      const known = optionsAround(found);
      for (const [option] of command.matchAll(/(?<=[\s[]|^)--[a-z-]+/g))
        if (!known.has(option)) yield `${command}: ${option}`;
    }
  });
  assert.deepEqual(unknown, []);
});

test('every metric that the sources spell out is in docs/operations.md (of the others test/cluster/operations.test.ts knows)', () => {
  const page = pages.find(({ path }) => path === 'docs/operations.md')!.text;
  const named = readSources(['src']).flatMap(({ path, text }) =>
    path.endsWith('.test.ts') ? [] : [...text.matchAll(/'(rookery_[a-z0-9_]+)'/g)].map(([, name]) => name!),
  );
  assert.ok(named.length > 0);
  assert.deepEqual(
    [...new Set(named)].filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
});
