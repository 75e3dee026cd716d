// rookery config check and show, and what a wrong configuration says when a server is to start with it.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { type Ended, makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { runRookery, ServerProcess, serverArguments } from '../server-process.ts';

describe('the configuration', () => {
  let folder: TemporaryFolder;
  before(async () => {
    folder = await makeTemporaryFolder();
  });
  after(() => folder.remove());

  const file = (): string => folder.at('rookery.toml');
  const check = async (text: string, ...more: string[]): Promise<Ended> => {
    await writeFile(file(), text);
    return runRookery(['config', 'check', '--config', file(), ...more], { cwd: folder.path });
  };
  /** Each line of standard error, without the program's name. */
  const problems = (ended: Ended): string[] =>
    ended.stderr
      .trim()
      .split('\n')
      .map((line) => line.replace(/^rookery: /, ''));

  test('a right one', async () => {
    const right = await check('hostname = "mail.test"\n[listen]\nimap = ["127.0.0.1:1143", "[::1]:1143"]\n');
    assert.equal(right.code, 0, right.stderr);
    assert.match(right.stdout, /rookery\.toml is right/);
    assert.equal((await check('', '--json')).stdout, '{"ok":true}\n');
  });

  test('tells every problem with file, line, key, what was expected and the nearest key', async () => {
    const ended = await check(`hostname = 3
[listen]
imapp = "127.0.0.1:1143"
pop3 = "nonsense"
[limits]
drain = "10 parsecs"

[storage]
engine = "floppy"
`);
    assert.equal(ended.code, exitCodes.configuration);
    assert.equal(ended.stdout, '');
    const told = problems(ended);
    const one = (pattern: RegExp): void => {
      assert.equal(told.filter((line) => pattern.test(line)).length, 1, `${pattern}\n${ended.stderr}`);
    };
    one(/rookery\.toml:1: hostname: expected string; found 3/);
    one(/rookery\.toml:3: listen\.imapp: unknown key; did you mean "imap"\?/);
    one(/rookery\.toml:4: listen\.pop3: .*nonsense/);
    one(/rookery\.toml:6: limits\.drain: expected a duration such as .*; found "10 parsecs"/);
    one(/rookery\.toml:9: storage\.engine: expected one of "lmdb", "postgres", "memory"; found "floppy"/);
    assert.equal(told.length, 5);
  });

  test('an impossible combination, broken TOML, a file that is not there', async () => {
    const twice = await check('[listen]\nimap = "127.0.0.1:1143"\nimaps = "127.0.0.1:1143"\n');
    assert.equal(twice.code, exitCodes.configuration);
    assert.match(
      twice.stderr,
      /rookery\.toml:3: listen\.imaps: 127\.0\.0\.1:1143 is also given to listen\.imap/,
    );
    const broken = await check('hostname = "x"\nlisten = = 3\n');
    assert.equal(broken.code, exitCodes.configuration);
    assert.match(broken.stderr, /rookery\.toml:2: is not valid TOML/);
    const missing = await runRookery(['config', 'check', '--config', folder.at('none.toml')]);
    assert.equal(missing.code, exitCodes.configuration);
    assert.match(missing.stderr, /none\.toml: cannot be read/);
    const certificate = `certificate = "${folder.at('none.crt')}"\nkey = "${folder.at('none.key')}"\n`;
    const uncertified = await check(`[[tls.certificates]]\n${certificate}`);
    assert.equal(uncertified.code, exitCodes.configuration);
    assert.match(uncertified.stderr, /^rookery: tls: cannot read .*none\.crt \(ENOENT\)\n$/);
  });

  test('--set is weighed like a file', async () => {
    const wrong = await check('', '--set', 'limits.recipients=none', '--set', 'hostname');
    assert.equal(wrong.code, exitCodes.configuration);
    assert.match(wrong.stderr, /--set: limits\.recipients: expected .*; found "none"/);
    assert.match(wrong.stderr, /--set: expected key=value .*found "hostname"/);
  });

  test('a server does not start with a wrong one', async () => {
    await writeFile(file(), 'hostname = "x"\nlisten = 5\n');
    const args = serverArguments({ data: folder.at('data'), config: file(), settings: [] });
    const withoutPorts = args.filter((arg, at) => arg !== '--set' && args[at - 1] !== '--set');
    const ended = await runRookery(withoutPorts);
    assert.equal(ended.code, exitCodes.configuration, ended.stderr);
    assert.match(ended.stderr, /rookery\.toml:2: listen: /);
  });

  test('show prints what is in effect, and reads what it printed', async () => {
    await writeFile(file(), 'hostname = "mail.test"\n[limits]\nmessage_size = "1 MiB"\n');
    const show = async (...more: string[]): Promise<string> => {
      const ended = await runRookery(['config', 'show', ...more], { cwd: folder.path });
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout;
    };
    const shown = await show('--config', file(), '--set', 'listen.imap=127.0.0.1:3143');
    assert.match(shown, /^hostname = "mail\.test"$/m);
    assert.match(shown, /3143/);
    await writeFile(folder.at('shown.toml'), shown);
    assert.equal(await show('--config', folder.at('shown.toml')), shown);
    const env = { ROOKERY_DATA: '/of/the/environment' };
    const fromEnvironment = await runRookery(['config', 'show'], { cwd: folder.path, env });
    assert.match(fromEnvironment.stdout, /^data = "\/of\/the\/environment"$/m);
    assert.match(await show('--data', '/of/the/line'), /^data = "\/of\/the\/line"$/m);
    const json = JSON.parse(await show('--json'));
    assert.deepEqual(json.listen, {
      mx: ['127.0.0.1:2525'],
      submission: ['127.0.0.1:2587'],
      submissions: ['127.0.0.1:2465'],
      lmtp: ['127.0.0.1:2424'],
      imap: ['127.0.0.1:2143'],
      imaps: ['127.0.0.1:2993'],
      pop3: ['127.0.0.1:2110'],
      pop3s: ['127.0.0.1:2995'],
      admin: ['127.0.0.1:2080'],
      link: ['127.0.0.1:2433'],
      join: ['127.0.0.1:2434'],
    });
  });

  test('--on asks a running node, so it goes with --running alone', async () => {
    for (const command of ['show', 'check']) {
      const ended = await runRookery(['--on', 'two', 'config', command]);
      assert.deepEqual([ended.code, ended.stdout], [exitCodes.usage, '']);
      assert.match(ended.stderr, /^rookery: --on asks a running node, .*`config show --running`/);
    }
  });

  test("show --running prints the running server's", async () => {
    await using server = await ServerProcess.start({ settings: ['hostname=running.test'] });
    const shown = await server.json<{ hostname: string; data: string }>(['config', 'show', '--running']);
    assert.deepEqual([shown.hostname, shown.data], ['running.test', server.data]);
    await server.stop();
  });
});
