// The process whose LMDB file may not grow: commits until that fails, and says what it was told. Arguments: the directory.

import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';
import { sayLine } from '../crash/say-line.ts';
import { rowOf } from './unwritable-file-rows.ts';

const messageOf = (error: unknown): string => (error as Error).message;
const engine = await openLmdbEngine({
  directory: process.argv[2]!,
  log: silentLog,
  clock: systemClock,
  onWriterFailure: (failure) => sayLine(`failure: ${failure.message}`),
});
let acknowledged = 0;
try {
  for (; ; acknowledged++) await engine.commit({ puts: [rowOf(acknowledged)] });
} catch (error) {
  sayLine(`refused: ${messageOf(error)}`);
}
await engine.commit({ puts: [rowOf(acknowledged)] }).catch((error) => sayLine(`then: ${messageOf(error)}`));
const { key, value } = rowOf(acknowledged - 1);
const last = await engine.get(key);
sayLine(`read: ${last !== undefined && Buffer.compare(last, value) === 0}`);
await engine.close();
sayLine(`acknowledged: ${acknowledged}`);
