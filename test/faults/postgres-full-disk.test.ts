// The disk of the database is full: commits are refused as storageFull, what was acknowledged stays readable, and with room
// again they go on by themselves. The log of the database is on another disk; when that is full PostgreSQL ends, and the engine
// waits for it as after any crash.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

const rowBytes = 500_000;
/** Far more than fits. */
const rowsMax = 1000;
const isRoot = process.getuid?.() === 0;
const skip =
  missingPostgres() || (isRoot ? false : 'needs root to mount a small tmpfs: run the tests as root');

it('refuses what has no room, and goes on when there is some', { skip }, async () => {
  const mount = mkdtempSync(join(tmpdir(), 'rookery-pg-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'rookery-test', mount]);
  try {
    await using server = await PostgresServer.start();
    const url = await server.makeDatabase(mount);
    await using engine = await openPostgresEngine({ url, log: silentLog, clock: systemClock });
    const put = (index: number) =>
      engine.commit({ puts: [{ key: Buffer.from(`k${index}`), value: systemRandom.bytes(rowBytes) }] });
    const fill = async (): Promise<number> => {
      for (let index = 0; index < rowsMax; index++) {
        try {
          await put(index);
        } catch (error) {
          assert.ok(isMailError(error, 'storageFull'), String(error));
          return index;
        }
      }
      assert.fail('it never became full');
    };
    const taken = await fill();
    assert.ok(taken > 20, `${taken} rows fitted`);
    assert.equal(await engine.get(Buffer.from(`k${taken}`)), undefined);
    for (let index = 0; index < taken; index++) {
      assert.equal((await engine.get(Buffer.from(`k${index}`)))!.length, rowBytes);
    }
    execFileSync('mount', ['-o', 'remount,size=96m', mount]);
    assert.deepEqual(await put(taken), { outcome: 'committed' });
    assert.equal((await engine.get(Buffer.from(`k${taken}`)))!.length, rowBytes);
  } finally {
    execFileSync('umount', ['-l', mount]);
    rmSync(mount, { recursive: true });
  }
});
