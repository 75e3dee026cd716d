// The engines that account tests run on.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { Engine } from '../storage/engine.ts';
import { openLmdbEngine } from '../storage/lmdb-engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';

/** Calls back with an engine of each kind; closes and removes it afterwards. */
export const testEngines: readonly (readonly [
  name: string,
  run: (body: (engine: Engine) => Promise<void>) => Promise<void>,
])[] = [
  [
    'memory',
    async (body) => {
      const engine = openMemoryEngine();
      await body(engine);
      await engine.close();
    },
  ],
  [
    'lmdb',
    async (body) => {
      const directory = mkdtempSync(join(tmpdir(), 'rookery-account-'));
      const engine = await openLmdbEngine({ directory, log: silentLog, clock: systemClock });
      try {
        await body(engine);
      } finally {
        await engine.close();
        rmSync(directory, { recursive: true });
      }
    },
  ],
];
