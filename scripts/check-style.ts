// What STYLE asks for and the linter does not know: time, chance and timers only in src/base, a comment that opens
// each file, names that say something, files of a readable size.
// A file above the size limit is a warning: it may have a reason, which its opening comment gives.

import { basename } from 'node:path';
import { readSources, type SourceFile } from './source-files.ts';

/** Above this many lines a file wants to be split. */
const linesMax = 400;

/** What makes a run impossible to repeat, and so belongs behind an interface of src/base. */
const untamed =
  /\b(?:Date\.now|Math\.random|setTimeout|setInterval|setImmediate|performance\.now)\s*\(|\bnew Date\(\)/;

const emptyNames = /(?:^|-)(?:utils?|commons?|helpers?|managers?|misc)(?:-|\.|$)/;

export interface StyleReport {
  readonly violations: string[];
  readonly warnings: string[];
}

export function checkStyle(files: readonly SourceFile[]): StyleReport {
  const violations: string[] = [];
  const warnings: string[] = [];
  for (const { path, text } of files) {
    const lines = text.split('\n');
    const test = path.endsWith('.test.ts');
    if (emptyNames.test(basename(path)))
      violations.push(`${path}: the name says nothing about what is in it`);
    if (!/^[a-z0-9]+(?:[-.][a-z0-9]+)*\.ts$/.test(basename(path)))
      violations.push(`${path}: the name is not kebab-case`);
    if (path.startsWith('src/') && !test && !/^(?:\/\/|\/\*)/.test(text)) {
      violations.push(
        `${path}: does not open with what it owns, its invariant and what happens when it fails`,
      );
    }
    if (lines.length > linesMax) warnings.push(`${path}: ${lines.length} lines`);
    if (!path.startsWith('src/') || path.startsWith('src/base/') || test) continue;
    for (const [at, line] of lines.entries()) {
      const found = untamed.exec(line.replace(/\/\/.*|^\s*\*.*/, ''));
      if (found !== null)
        violations.push(`${path}:${at + 1}: ${found[0]} outside src/base (see clock.ts, random.ts)`);
    }
  }
  return { violations, warnings };
}

if (import.meta.main) {
  const report = checkStyle(readSources(['src', 'test', 'bench', 'scripts']));
  for (const warning of report.warnings) console.log(`warning: ${warning}`);
  for (const violation of report.violations) console.log(violation);
  process.exitCode = report.violations.length === 0 ? 0 : 1;
}
