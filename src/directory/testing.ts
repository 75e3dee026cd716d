// For tests: a directory on the memory engine, with cheap hashing and a clock that is moved by hand.

import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Engine } from '../storage/engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { AuthenticationContext } from './directory.ts';
import { type InternalDirectory, openInternalDirectory } from './internal-directory.ts';
import { decodeRow, directoryTopic, keys, put } from './rows.ts';
import type { DirectorySettings } from './settings.ts';

export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(): ManualClock {
  let time = 1_800_000_000_000;
  return {
    ...systemClock,
    now: () => time,
    monotonic: () => time,
    advance: (ms) => {
      time += ms;
    },
  };
}

export interface TestDirectory {
  readonly directory: InternalDirectory;
  readonly engine: Engine;
  readonly clock: ManualClock;
}

/** Argon2 with the least it allows: a tenth of a millisecond. */
export const cheapHash = { memoryKiB: 8, passes: 1, parallelism: 1 };

export const testSettings: DirectorySettings = {
  subAddressSeparators: '+',
  failuresPerAddress: 5,
  failuresPerAccount: 3,
  failuresPerFrontend: 20,
  verifiedCacheMs: 600_000,
  passwordHash: cheapHash,
  scramIterations: 4096,
};

/** Has the domain example.test. */
export async function openTestDirectory(
  settings: Partial<DirectorySettings> = {},
  engine = openMemoryEngine(),
  clock = manualClock(),
  cell?: string,
): Promise<TestDirectory> {
  const directory = await openInternalDirectory({
    engine,
    clock,
    random: systemRandom,
    log: silentLog,
    settings: { ...testSettings, ...settings },
    ...(cell && { cell }),
  });
  if ((await directory.domain('example.test')) === undefined)
    await directory.addDomain({ name: 'example.test' });
  return { directory, engine, clock };
}

/** Writes into an account's row in which cell it is. Undefined: as rows were before there were cells. */
export async function writeCell(engine: Engine, id: AccountId, cell: string | undefined): Promise<void> {
  const row = decodeRow<object>('directoryAccount', (await engine.get(keys.account(id)))!);
  const puts = [put(keys.account(id), 'directoryAccount', { ...row, cell })];
  await engine.commit({ puts, signals: [directoryTopic] });
}

export const fromHere: AuthenticationContext = {
  service: 'imap',
  remoteAddress: '192.0.2.1',
  traceId: 'trace',
};
