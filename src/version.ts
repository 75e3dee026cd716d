// The version of this Rookery, from package.json beside the sources (or above dist/ in the published package).

import { readFileSync } from 'node:fs';

export const version: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
