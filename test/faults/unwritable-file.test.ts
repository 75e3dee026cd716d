// LMDB's file cannot be written any more, while the journal can: what was acknowledged meanwhile is in the journal, and the
// next opening brings the file there, however much that is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { rowOf } from './unwritable-file-rows.ts';

const childFile = fileURLToPath(new URL('./unwritable-file-child.ts', import.meta.url));
/** Node ignores the signal that a write beyond the limit brings, so the write fails. In the shell's blocks of 512 bytes. */
const fileBlocksMax = (12 * 1024 * 1024) / 512;

it('loses nothing that was acknowledged when the file cannot be written, and goes on at the next opening', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-unwritable.'));
  const command = `ulimit -f ${fileBlocksMax} && exec "$0" "$@"`;
  const output = execFileSync('sh', ['-c', command, process.execPath, childFile, directory], {
    timeout: 60_000,
  });
  const said = new Map(
    output
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(': ', 2) as [string, string]),
  );
  assert.equal(said.get('failure'), 'the store cannot write until it is opened again');
  // The commit that was under way is told the cause, one that came between is not.
  assert.match(said.get('refused')!, /^(a commit failed|the store cannot write until it is opened again)/);
  assert.equal(said.get('then'), 'the store cannot write until it is opened again');
  assert.equal(said.get('read'), 'true');
  const acknowledged = Number(said.get('acknowledged'));
  let redone = 0;
  const log = { ...silentLog, info: ({ groups }: { groups: number }) => (redone = groups) };
  await using engine = await openLmdbEngine({ directory, log: log as typeof silentLog, clock: systemClock });
  assert.ok(redone > 0 && redone <= acknowledged, `${redone} of ${acknowledged} were done again`);
  for (let index = 0; index < acknowledged; index++) {
    const { key, value } = rowOf(index);
    assert.equal(Buffer.compare((await engine.get(key))!, value), 0, `row ${index} of ${acknowledged}`);
  }
  assert.equal(await engine.get(rowOf(acknowledged).key), undefined);
  assert.deepEqual(await engine.commit({ puts: [rowOf(acknowledged)] }), { outcome: 'committed' });
  await engine.close();
  rmSync(directory, { recursive: true });
});
