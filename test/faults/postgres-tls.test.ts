// The same over TLS and without it: what opens a connection reads it in one way, and what speaks on it in another.

import assert from 'node:assert/strict';
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { makeAuthority } from '../../src/cluster/authority/certificates.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

async function enableTls(server: PostgresServer): Promise<void> {
  const { certificate, key } = await makeAuthority('test', { clock: systemClock, random: systemRandom });
  const { uid, gid } = statSync(join(server.folder, 'data'));
  for (const [name, text] of Object.entries({ ssl_cert_file: certificate, ssl_key_file: key })) {
    const path = join(server.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, uid, gid);
    await server.set(name, path);
  }
  await server.set('ssl', 'on');
  while ((await server.query('SHOW ssl'))[0]?.ssl !== 'on');
}

it('carries rows of all sizes, with TLS and without', {
  skip: missingPostgres(),
  timeout: 120_000,
}, async () => {
  await using server = await PostgresServer.start();
  await enableTls(server);
  const url = await server.makeDatabase();
  // Around what one read brings, what a header takes, and far above.
  const sizes = [0, 1, 5, 16_379, 65_531, 65_536, 262_139, 262_144, 300_000, 5_000_000];
  const keys = sizes.map((size) => Buffer.from(`k${size}`));
  const values = sizes.map((size) => systemRandom.bytes(size));
  for (const isSecure of [true, false]) {
    const secured = `${url}?sslmode=no-verify`;
    await using engine = await openPostgresEngine({
      url: isSecure ? secured : url,
      log: silentLog,
      clock: systemClock,
    });
    const ours = `SELECT bool_and(ssl) AS all, bool_or(ssl) AS any FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
WHERE application_name LIKE 'rookery %'`;
    assert.deepEqual(await server.query(ours), [{ all: isSecure, any: isSecure }]);
    await engine.commit({ puts: keys.map((key, index) => ({ key, value: values[index]! })) });
    const found = await Promise.all([engine.getMany(keys), ...keys.map((key) => engine.get(key))]);
    assert.deepEqual(
      found.flat().map((value) => value && Buffer.from(value)),
      [...values, ...values],
    );
  }
});
