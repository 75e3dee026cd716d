import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandReference } from './command-reference.ts';
import { completionScript } from './completion.ts';
import { documentedProgram } from './documented-program.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { formatTable } from './output.ts';
import { parseLimit, parseServices } from './parse-option.ts';
import { runProgram } from './program.ts';

test('docs/command-line.md is what the commands generate (npm run docs)', () => {
  const page = readFileSync(new URL('../../docs/command-line.md', import.meta.url), 'utf8');
  assert.equal(page, commandReference(documentedProgram()));
});

test('an unknown command and a missing argument are usage errors', async () => {
  const program = documentedProgram().configureOutput({ writeErr: () => {} });
  assert.equal(await runProgram(program, ['acount', 'list']), exitCodes.usage);
  const again = documentedProgram();
  for (const command of again.commands) command.configureOutput({ writeErr: () => {} });
  again.configureOutput({ writeErr: () => {} });
  assert.equal(await runProgram(again, ['domain', 'nothing']), exitCodes.usage);
});

test('sizes and "none" are limits', () => {
  assert.equal(parseLimit('10G'), 10 * 1024 ** 3);
  assert.equal(parseLimit('1.5 MiB'), 1.5 * 1024 ** 2);
  assert.equal(parseLimit('7'), 7);
  assert.equal(parseLimit('none'), null);
  assert.throws(() => parseLimit('much'), /expected a number/);
  assert.throws(() => parseServices('imap,gopher'), /"gopher" is no service/);
});

test('a table has a column as wide as its widest cell', () => {
  const rows = [
    { name: 'a', quotaBytes: null, on: true },
    { name: 'long name', quotaBytes: 12, on: false },
  ];
  assert.equal(
    formatTable(rows, ['name', 'quotaBytes', 'on']),
    'NAME       QUOTA BYTES  ON\na          -            yes\nlong name  12           no',
  );
});

test('completion knows the commands and refuses a shell it does not', () => {
  assert.match(completionScript(documentedProgram(), 'bash'), /'account'\) words='add set list/);
  assert.throws(() => completionScript(documentedProgram(), 'fish'), CommandFailure);
});
