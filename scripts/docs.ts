// Writes the pages that are generated: `npm run docs`. With --check it writes nothing and fails when one is out of date.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurationReference } from '../src/config/reference.ts';
import { projectRoot } from './source-files.ts';

// These set the options' defaults, and the page shows the program's own. The command line reads them when it is loaded.
for (const name of ['ROOKERY_DATA', 'ROOKERY_SERVER', 'ROOKERY_TOKEN']) delete process.env[name];
const { commandReference } = await import('./command-reference.ts');

const pages: Readonly<Record<string, string>> = {
  'docs/configuration.md': configurationReference(),
  'docs/command-line.md': commandReference(),
};

for (const [path, text] of Object.entries(pages)) {
  const file = join(projectRoot, path);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.log(`${path} is out of date: npm run docs`);
    process.exitCode = 1;
  }
}
