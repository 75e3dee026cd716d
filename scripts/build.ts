// `npm run build`: compiles src into dist/, for the published package only (a checkout runs the sources). Node strips
// no types under node_modules, so what is published must be JavaScript.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './source-files.ts';

const output = join(projectRoot, 'dist');

rmSync(output, { recursive: true, force: true });
const compiler = spawnSync(join(projectRoot, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], {
  cwd: projectRoot,
  stdio: 'inherit',
});
if (compiler.status !== 0 || !existsSync(join(output, 'main.js'))) {
  console.error('build: dist/main.js was not made');
  process.exit(1);
}
// Data files stand beside the code that reads them, so they are published beside it as well.
cpSync(join(projectRoot, 'src'), output, {
  recursive: true,
  filter: (path) => !path.endsWith('.ts'),
});
