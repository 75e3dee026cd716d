// The checkout's own programs (scripts/, bench/) tell how they are used and what was wrong with a command line, and begin
// nothing then: here they would start servers and run for minutes.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../scripts/source-files.ts';
import { type Ended, runProgram } from './run-program.ts';

/** By path: a piece of the usage, and command lines that are not right, each with what is said of it. */
const programs: Readonly<Record<string, { usage: RegExp; wrong: Readonly<Record<string, RegExp>> }>> = {
  'bench/run.ts': {
    usage: /--scale <factor>[\s\S]*^ {2}imap-fetch +FETCH [\s\S]*^ {2}postgres-N +N nodes [\s\S]*^Examples:/m,
    wrong: {
      '--only lmtp,letters': /'--only .*'lmtp,letters' is invalid. workloads are lmtp, smtp, /,
      '--layout workers-0': /'--layout .*'workers-0' is invalid. layouts are lmdb, /,
      '--vs exim': /'--vs .*Allowed choices are dovecot, frontends/,
      '--scale 0': /'--scale .*expected a number above 0/,
      lmtp: /too many arguments/,
    },
  },
  'bench/turns.ts': {
    usage: /--profile/,
    wrong: { '--layout lmbd': /layouts are lmdb/, '--scale much': /a number above 0/ },
  },
  'bench/account.ts': { usage: /--directory <dir>/, wrong: { '/tmp': /too many arguments/ } },
  'bench/search.ts': { usage: /--messages <n>/, wrong: { '--messages 0': /a whole number, 1 or more/ } },
  'bench/mime.ts': { usage: /microseconds/, wrong: {} },
  'scripts/fuzz.ts': {
    usage: /--target <name>[\s\S]*^Targets: .*\bmime\b/m,
    wrong: { '--target nothing': /targets are .*\bmime\b/, '--seconds 1m': /a number above 0/ },
  },
  'scripts/simulate.ts': {
    usage: /--without <words>[\s\S]*^Examples:/m,
    wrong: { '--without nothing-like-it': /--rules lists them/, '--seed -1': /a whole number, 0 or more/ },
  },
  'scripts/demo-cluster.ts': { usage: /--network <numbers>/, wrong: { '--network 192.0.2': /loopback/ } },
};

function run(path: string, commandLine: string): Promise<Ended> {
  return runProgram(process.execPath, [join(projectRoot, path), ...commandLine.split(' ')]);
}

for (const [path, { usage, wrong }] of Object.entries(programs)) {
  test(`${path} --help prints the usage`, async () => {
    const { code, stdout, stderr } = await run(path, '--help');
    assert.match(stdout, /^Usage: (?:npm|node) /);
    assert.match(stdout, usage);
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });

  const all = { ...wrong, '--no-such-option': /unknown option '--no-such-option'/ };
  for (const [commandLine, said] of Object.entries(all)) {
    test(`${path} ${commandLine} is refused in one line`, async () => {
      const { code, stdout, stderr } = await run(path, commandLine);
      assert.match(stderr, /^error: .* \(--help shows what there is\)\n$/);
      assert.match(stderr, said);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }
}
