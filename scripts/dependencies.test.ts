// Every package that is depended on stands in docs/dependencies.md, with its reason.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from './source-files.ts';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

test('each dependency has its line in docs/dependencies.md, and no line is of a package that is gone', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  const used = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  const rows = [...read('docs/dependencies.md').matchAll(/^\| \d{4}-\d\d-\d\d \| ([^|]+) \|/gm)];
  const told = rows.flatMap(([, packages]) => [...packages!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
  assert.deepEqual(told.sort(), used.sort());
});
