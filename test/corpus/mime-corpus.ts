// The nasty messages of ../shared/corpus, for tests and as seeds of the fuzz targets. Where they are missing (outside
// of the development tree) tests say so and fuzzing goes on with what it has built in.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../shared/corpus/mime/', import.meta.url));

/** Why tests are skipped; false when the corpus is there. For node:test's `skip`. */
export const corpusMissing: string | false = existsSync(folder) ? false : `no messages: ${folder} is missing`;

export interface CorpusMessage {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All messages by name; none when the corpus is missing. */
export function corpusMessages(): CorpusMessage[] {
  if (corpusMissing !== false) return [];
  return readdirSync(folder)
    .flatMap((suite) => readdirSync(join(folder, suite)).map((file) => join(suite, file)))
    .sort()
    .map((file) => ({ name: file.replace(/^.*[\\/]/, ''), bytes: readFileSync(join(folder, file)) }));
}
