// What a person at a terminal sees that a program behind a pipe does not: a progress bar, and a log to read. script(1) makes the
// terminal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTemporaryFolder, missingPrograms, runWell } from '../run-program.ts';
import { addressOf, rookeryCommand, ServerProcess, serverArguments } from '../server-process.ts';

/** For a shell, which puts the program in its own place: a shell that stays (dash) would die of the interrupt itself. */
const quoted = (words: readonly string[]): string => `exec ${words.map((word) => `'${word}'`).join(' ')}`;
const interruptKey = '\u0003';

describe('on a terminal', { skip: missingPrograms('script') }, () => {
  test('import shows a bar, and with --json or behind a pipe none', async () => {
    await using folder = await makeTemporaryFolder();
    await using server = await ServerProcess.start({ accounts: ['alice'] });
    await mkdir(folder.at('mail'));
    for (const name of ['a', 'b', 'c'])
      await writeFile(folder.at('mail', `${name}.eml`), `Subject: ${name}\r\n\r\n${name}\r\n`);
    const words = ['import', 'eml', folder.at('mail'), '--account', addressOf('alice')];
    const onTerminal = async (...more: string[]): Promise<string> => {
      const command = [process.execPath, rookeryCommand, '--data', server.data, ...words, ...more];
      return (await runWell('script', ['-qec', quoted(command), '/dev/null'])).stdout;
    };
    const drawn = /█.* 3\/3 messages/;
    assert.match(await onTerminal(), drawn);
    assert.match(await onTerminal(), /█.* 3\/3 messages .*3 already there/);
    assert.equal(JSON.parse(await onTerminal('--json')).alreadyThere, 3);
    const piped = await server.rookery(words);
    assert.equal(piped.stderr, '');
    await server.stop();
  });

  test('the log is made for reading, and Ctrl-C ends the server in good order', async () => {
    await using folder = await makeTemporaryFolder();
    const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
    const command = [process.execPath, program, ...serverArguments({ data: folder.at('data') })];
    const child = spawn('script', ['-qefc', quoted(command), '/dev/null'], {
      stdio: 'pipe',
      signal: AbortSignal.timeout(60_000),
    });
    let shown = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      const had = shown.includes('started');
      shown += text;
      if (!had && shown.includes('started')) child.stdin.write(interruptKey);
    }
    if (child.exitCode === null) await once(child, 'exit');
    assert.equal(child.exitCode, 0, shown);
    assert.match(shown, /INFO.*: .*started/);
    assert.match(shown, /stopped/);
    assert.doesNotMatch(shown, /"level":30/);
  });
});
