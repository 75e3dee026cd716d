// A limit on address space is seen, and a store opens under one.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { addressSpace, parseAddressSpace } from './address-space.ts';

const limits = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max address space         SPACE                unlimited            bytes
`;

it('reads the limit and what is used', () => {
  const status = 'Name:\tnode\nVmPeak:\t  900 kB\nVmSize:\t  800 kB\n';
  assert.deepEqual(parseAddressSpace(limits.replace('SPACE    ', '1048576  '), status), {
    bytesMax: 1_048_576,
    bytesUsed: 819_200,
  });
  assert.equal(parseAddressSpace(limits.replace('SPACE    ', 'unlimited'), status).bytesMax, Infinity);
});

const program = `
import { systemClock as clock } from '${new URL('../../base/clock.ts', import.meta.url)}';
import { silentLog as log } from '${new URL('../../base/log.ts', import.meta.url)}';
import { openLmdbEngine } from '${new URL('./lmdb-engine.ts', import.meta.url)}';
const engine = await openLmdbEngine({ directory: process.argv[2], clock, log });
await engine.commit({ puts: [{ key: Buffer.from('k'), value: Buffer.alloc(100_000, 'v') }] });
console.log((await engine.get(Buffer.from('k'))).length);
await engine.close();
`;

it('opens a store where address space is short', {
  skip: process.platform === 'linux' ? false : 'limits of address space are read on Linux only',
}, () => {
  const { bytesUsed } = addressSpace();
  const directory = mkdtempSync(join(tmpdir(), 'rookery-space-'));
  try {
    // A file of its own: the writer's thread inherits options for code on the command line, and cannot have them.
    const file = join(directory, 'open-store.ts');
    writeFileSync(file, program);
    // V8 itself takes some twenty.
    for (const gigabytes of [64, 512]) {
      const kilobytes = Math.ceil(bytesUsed / 1024) + gigabytes * 1024 * 1024;
      const command = `ulimit -v ${kilobytes} && exec "$0" "$1" "$2"`;
      const args = ['-c', command, process.execPath, file, join(directory, 'store')];
      const ended = spawnSync('sh', args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(ended.stdout.trim(), '100000', `${gigabytes} GiB more: ${ended.signal} ${ended.stderr}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
