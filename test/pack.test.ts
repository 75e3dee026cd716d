// What `npm pack` makes installs and runs, with whatever Node a machine has on its PATH (20 or later): the published
// package holds compiled modules, and its command goes on in the Node that came with it.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/** As outside the checkout: `npm test` puts the checkout's newer Node first on the path. */
function outsideEnvironment(): NodeJS.ProcessEnv {
  const inside = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  return { ...Object.fromEntries(inside), PATH: path.join(delimiter) };
}

describe('the published package', () => {
  let folder: string;
  let installed: string;
  const env = outsideEnvironment();
  const rookery = (...args: string[]) =>
    execute(join(folder, 'node_modules/.bin/rookery'), args, { cwd: folder, env });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rookery-pack-'));
    const { stdout } = await execute('npm', ['pack', '--silent', '--pack-destination', folder], {
      cwd: projectRoot,
    });
    const archive = stdout.trim().split('\n').at(-1)!;
    await writeFile(join(folder, 'package.json'), '{ "name": "somewhere", "private": true }');
    const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, archive)];
    await execute('npm', install, { cwd: folder, env });
    installed = join(folder, 'node_modules/rookery');
  });

  after(() => rm(folder, { recursive: true, force: true }));

  test('holds compiled modules, no sources and no tests', async () => {
    const files = await readdir(installed, { recursive: true });
    assert.ok(files.includes('dist/main.js'));
    assert.deepEqual(
      files.filter((file) => file.endsWith('.ts') || /\.test\.|testing|-contract\./.test(file)),
      [],
    );
  });

  test('runs on the Node of the machine', async () => {
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
      version: string;
    };
    const { stdout } = await rookery('version');
    assert.ok(stdout.includes(manifest.version), stdout);
  });

  test('passes the exit code on', async () => {
    await assert.rejects(rookery('no-such-command'), (error: { code?: unknown }) => {
      assert.ok(typeof error.code === 'number' && error.code > 0, `exit code ${error.code}`);
      return true;
    });
  });

  test('serves until it is told to stop, worker threads and all', async () => {
    const services = ['mx', 'submission', 'submissions', 'lmtp', 'imap', 'imaps', 'pop3', 'pop3s', 'admin'];
    const anyPort = services.flatMap((service) => ['--set', `listen.${service}=127.0.0.1:0`]);
    const command = ['quickstart', '--data', join(folder, 'data'), ...anyPort];
    const server = spawn(join(folder, 'node_modules/.bin/rookery'), command, { cwd: folder, env });
    const ended = once(server, 'exit');
    const running = Promise.withResolvers<void>();
    let output = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (text) => {
        output += text;
        if (output.includes('Try it:')) running.resolve();
      });
    }
    await Promise.race([running.promise, ended]);
    assert.match(output, /Rookery is running/);
    // To the process that was started, which on an old Node is not the one that serves.
    server.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  });
});
