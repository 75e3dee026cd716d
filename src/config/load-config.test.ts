import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from './config-error.ts';
import { loadConfig } from './load-config.ts';
import { configurationReference } from './reference.ts';
import { configAsToml, maskedConfig } from './show-config.ts';

function fileWith(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'rookery-config-')), 'rookery.toml');
  writeFileSync(file, text);
  return file;
}

function problemsIn(text: string, overrides: string[] = []): string[] {
  const file = fileWith(text);
  try {
    loadConfig({ file, overrides });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message.split('\n').map((line) => line.replace(file, 'FILE'));
  }
  return [];
}

test('without a file every key has its default, and the result is frozen', () => {
  const config = loadConfig({});
  assert.deepEqual(config.listen.imap, [{ address: '127.0.0.1', port: 2143 }]);
  assert.equal(config.limits.message_size, 50 * 1024 * 1024);
  assert.equal(config.limits.imap_idle, 30 * 60_000);
  assert.throws(() => Object.assign(config.limits, { recipients: 1 }), TypeError);
});

test('an unknown key names file, line and the nearest right key', () => {
  assert.deepEqual(problemsIn('hostnam = "x"\n[listen]\nimapp = "1.1.1.1:1"\nzzzzzzzz = 1\n'), [
    'FILE:1: hostnam: unknown key; did you mean "hostname"?',
    'FILE:3: listen.imapp: unknown key; did you mean "imap"?',
    'FILE:4: listen.zzzzzzzz: unknown key; known keys here: mx, submission, submissions, lmtp, imap, imaps, pop3, pop3s, admin, link, join',
  ]);
});

test('a word that is no slip of a right key is not taken for one', () => {
  assert.match(problemsIn('foo = 1\n')[0]!, /^FILE:1: foo: unknown key; known keys here: data, hostname, /);
});

test('a wrong type or value says what was expected and what was found', () => {
  assert.deepEqual(
    problemsIn('[limits]\ndrain = "abc"\nrecipients = 0\n[listen]\npop3 = 7\n[log]\nlevel = "loud"\n'),
    [
      'FILE:2: limits.drain: expected a duration such as "30 min", "500 ms" or a number of seconds; found "abc"',
      'FILE:3: limits.recipients: expected at least 1; found 0',
      'FILE:5: listen.pop3: expected "address:port" such as "127.0.0.1:2143", a list of them, or "off"; found 7',
      'FILE:7: log.level: expected one of "trace", "debug", "info", "warn", "error"; found "loud"',
    ],
  );
});

test('an impossible combination is refused', () => {
  assert.deepEqual(problemsIn('[listen]\nimap = "127.0.0.1:2993"\n'), [
    'FILE: listen.imaps: 127.0.0.1:2993 is also given to listen.imap; each listener needs its own',
  ]);
  assert.match(problemsIn('[limits]\nmessage_size = "1 GiB"')[0]!, /limits.intake_memory: must be at least/);
  assert.match(problemsIn('[storage]\nengine = "postgres"\n')[0]!, /^FILE:2: .*needs storage\.url/);
  const apart = '[storage]\nengine = "postgres"\nurl = "postgres://x/y"\nblobs = "directory"\n';
  assert.match(problemsIn(apart)[0]!, /^FILE:4: storage\.blobs: .*needs storage\.blob_directory: all nodes/);
  assert.deepEqual(problemsIn(`${apart}blob_directory = "/srv/blobs"\n`), []);
});

test('text that is not TOML is told with its line', () => {
  assert.match(problemsIn('hostname = "x"\nlisten = [\n')[0]!, /^FILE:\d+: is not valid TOML/);
});

test('--set overrides the file, and its mistakes are told as its own', () => {
  const file = fileWith('[listen]\nimap = "127.0.0.1:1143"\n');
  const config = loadConfig({
    file,
    overrides: ['listen.imap=127.0.0.1:3143', 'limits.recipients=7', 'listen.pop3=off'],
  });
  assert.deepEqual(config.listen.imap, [{ address: '127.0.0.1', port: 3143 }]);
  assert.equal(config.limits.recipients, 7);
  assert.deepEqual(config.listen.pop3, []);
  assert.deepEqual(problemsIn('', ['limits.recipients=no', 'novalue']), [
    '--set: expected key=value such as listen.imap=127.0.0.1:3143, found "novalue"',
    '--set: limits.recipients: expected number; found "no"',
  ]);
});

test('what config show prints reads back as the same configuration', () => {
  const config = loadConfig({ overrides: ['listen.mx=["0.0.0.0:25","[::]:25"]', 'limits.drain=90 s'] });
  assert.deepEqual(loadConfig({ file: fileWith(configAsToml(maskedConfig(config))) }), config);
});

test('docs/configuration.md is what the schema generates (npm run docs)', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  assert.equal(page, configurationReference());
});
