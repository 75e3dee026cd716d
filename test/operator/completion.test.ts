// Completion in the shells themselves: bash by its programmable completion, zsh by typing on a terminal of its own.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { makeTemporaryFolder, missingPrograms, runWell } from '../run-program.ts';
import { rookeryCommand, runRookery } from '../server-process.ts';

const script = (shell: string): string => `'${process.execPath}' '${rookeryCommand}' completion ${shell}`;

test('bash', { skip: missingPrograms('bash') }, async () => {
  const asked = `
source <(${script('bash')})
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _rookery; echo "\${COMPREPLY[*]}"; }
try rookery acc
try rookery account app-password ''
try rookery account set someone@example.test --enab
try rookery --data ./elsewhere domain ''
try rookery import ma
complete -p rookery
`;
  const { stdout, stderr } = await runWell('bash', ['--norc', '-c', asked]);
  assert.equal(stderr, '');
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'account',
    'add list remove --help',
    '--enabled',
    'add list show set remove --help',
    'maildir',
    'complete -F _rookery rookery',
  ]);
});

test('zsh', { skip: missingPrograms('zsh') }, async () => {
  await using folder = await makeTemporaryFolder();
  await writeFile(folder.at('completion'), (await runRookery(['completion', 'zsh'])).stdout);
  const prepared = [
    'PS1= ; stty -echo; autoload -Uz compinit; compinit -D -u',
    'rookery() { print -r -- "RAN[$*]" }',
    `source ${folder.at('completion')}`,
    'print -r "REA""DY"',
  ].join('; ');
  const driver = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell '${prepared}'
while zpty -r shell line; do [[ $line == *READY* ]] && break; done
zpty -w -n shell $'rookery acc\\tapp\\tadd someone --serv\\timap\\n'
while zpty -r shell line; do [[ $line == *RAN* ]] && { print -r -- $line; break }; done
zpty -d shell
`;
  const { stdout } = await runWell('zsh', ['-f', '-c', driver], { cwd: folder.path });
  assert.match(stdout, /RAN\[account app-password add someone --services imap\]/);
});

test('another shell', async () => {
  const refused = await runRookery(['completion', 'fish']);
  assert.equal(refused.code, exitCodes.usage);
  assert.match(refused.stderr, /no completion for "fish": bash or zsh/);
});
