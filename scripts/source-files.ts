// Lists the project's own files, for the checks. Reads the disk, so that a file not yet known to git is checked too.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root. */
export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

export interface SourceFile {
  /** From the root, with forward slashes: `src/base/clock.ts`. */
  readonly path: string;
  readonly text: string;
}

/** Every file under `folder` whose path ends with `suffix`, sorted; paths are from the root. */
export function listFiles(folder: string, suffix: string): string[] {
  const start = join(projectRoot, folder);
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !path.includes('node_modules/'))
    .sort();
}

/** The TypeScript under the given folders, with its text. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders
    .flatMap((folder) => listFiles(folder, '.ts'))
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }));
}
