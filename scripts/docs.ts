// Writes the pages that are generated: `npm run docs`. Unit tests beside their sources fail when one is out of date.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurationReference } from '../src/config/reference.ts';
import { commandReference } from '../src/operator/command-reference.ts';
import { documentedProgram } from '../src/operator/documented-program.ts';
import { projectRoot } from './source-files.ts';

writeFileSync(join(projectRoot, 'docs/configuration.md'), configurationReference());
writeFileSync(join(projectRoot, 'docs/command-line.md'), commandReference(documentedProgram()));
