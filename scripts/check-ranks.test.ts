import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findViolations, importsOf } from './check-ranks.ts';

const violationsOf = (files: Record<string, string>): string[] =>
  findViolations(
    Object.entries(files).map(([path, text]) => ({ path, text })),
    new Set(['pino', '@peculiar/x509']),
  );

test('imports are found in every form', () => {
  const text = [
    "import type { A } from './a.ts';",
    "import {\n  b,\n  type C,\n} from '../b.ts';",
    "import './c.ts';",
    "export * from './d.ts';",
    "const e = await import('./e.ts');",
    "new Worker(new URL('./f.ts', import.meta.url));",
    "new Worker(siblingModule(import.meta.url, './g'));",
    "const notOne = 'imported from nowhere';",
  ].join('\n');
  const found = importsOf(text).map((each) => each.specifier);
  assert.deepEqual(found.sort(), ['../b.ts', './a.ts', './c.ts', './d.ts', './e.ts', './f.ts', './g']);
});

test('lower ranks, the own folder and Node are allowed', () => {
  assert.deepEqual(
    violationsOf({
      'src/wire/imap/parser.ts': "import { a } from '../../mail/a.ts'; import fs from 'node:fs';",
      'src/mail/a.ts': "import { pino } from 'pino'; import { b } from './b.ts';",
      'src/mail/b.ts': "import { Crypto } from '@peculiar/x509/sub';",
    }),
    [],
  );
});

test('sideways, upwards, round, outside and unshipped are refused', () => {
  const cases: [Record<string, string>, RegExp][] = [
    [
      { 'src/config/a.ts': "import { b } from '../mail/b.ts';" },
      /^src\/config\/a.ts:1: mail is sideways of config/,
    ],
    [
      { 'src/wire/a.ts': "\nimport type { B } from '../storage/b.ts';" },
      /^src\/wire\/a.ts:2: storage .* is above wire/,
    ],
    [{ 'src/wire/a.ts': "import { b } from '../compose.ts';" }, /stands above/],
    [{ 'src/wire/a.ts': "import { b } from '../../test/b.ts';" }, /outside src/],
    [{ 'src/wire/a.ts': "import { b } from '../base/b.test.ts';" }, /is a test/],
    [{ 'src/wire/a.ts': "import fc from 'fast-check';" }, /fast-check is not in "dependencies"/],
    [{ 'src/other/a.ts': "import { b } from '../base/b.ts';" }, /no ranked folder/],
    [
      { 'src/wire/a.ts': "import { b } from './b.ts';", 'src/wire/b.ts': "import { a } from './a.ts';" },
      /circle: src\/wire\/a.ts → src\/wire\/b.ts → src\/wire\/a.ts/,
    ],
  ];
  for (const [files, expected] of cases) assert.match(violationsOf(files).join('\n'), expected);
});

test('a circle of types is allowed', () => {
  const files = {
    'src/wire/a.ts': "import { b } from './b.ts';",
    'src/wire/b.ts': "import type { A } from './a.ts';",
  };
  assert.deepEqual(violationsOf(files), []);
});

test("a unit's test may go sideways but not upwards", () => {
  const at = 'src/config/a.test.ts';
  assert.deepEqual(
    violationsOf({ [at]: "import { b } from '../mail/b.ts'; import fc from 'fast-check';" }),
    [],
  );
  assert.equal(violationsOf({ [at]: "import { b } from '../wire/b.ts';" }).length, 1);
});
