// Writes the pages that are generated: docs/configuration.md from the configuration schema. `npm run docs`.

import { writeFileSync } from 'node:fs';
import { configurationReference } from '../src/config/reference.ts';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationReference());
