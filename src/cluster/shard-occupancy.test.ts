// The controller hears how many accounts each shard has, soon after the directory has changed; others do not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shardOf } from '../account/shard.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { readAccountIds } from '../directory/account-ids.ts';
import { openInternalDirectory } from '../directory/internal-directory.ts';
import type { AccountId } from '../mail/ids.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { Occupancy } from './membership/assignment.ts';
import { OccupancyWatch } from './shard-occupancy.ts';

const parts = { clock: systemClock, random: systemRandom, log: silentLog };

async function openSite() {
  const engine = openMemoryEngine();
  const settings = {
    subAddressSeparators: '+',
    failuresPerAddress: 9,
    failuresPerAccount: 9,
    failuresPerFrontend: 9,
    verifiedCacheMs: 0,
  };
  const directory = await openInternalDirectory({ engine, ...parts, settings });
  await directory.addDomain({ name: 'example.test' });
  const add = async (user: string): Promise<AccountId> =>
    (await directory.addAccount({ address: `${user}@example.test`, password: undefined })).id;
  const close = async (): Promise<void> => {
    await directory[Symbol.asyncDispose]();
    await engine.close();
  };
  return { engine, add, [Symbol.asyncDispose]: close };
}

/** What a watch says, and the next thing it says that fits. */
function heard() {
  const said: Occupancy[] = [];
  let check = (): void => {};
  const changed = (occupancy: Occupancy): void => {
    said.push(occupancy);
    check();
  };
  const until = (fits: (occupancy: Occupancy) => boolean): Promise<void> =>
    new Promise((resolve) => {
      check = () => {
        if (fits(said.at(-1)!)) resolve();
      };
      check();
    });
  return { said, changed, until };
}

const countOf = (occupancy: Occupancy, id: AccountId): number =>
  typeof occupancy === 'string' ? 0 : occupancy[shardOf(id)]!;

test('accounts are counted when the directory changes, and forgotten when others assign', async () => {
  await using site = await openSite();
  const first = await site.add('one');
  const { said, changed, until } = heard();
  let isController = true;
  using _watch = new OccupancyWatch({
    engine: site.engine,
    ...parts,
    isWanted: () => isController,
    changed,
  });
  assert.deepEqual(said, ['unknown']);
  await until((occupancy) => countOf(occupancy, first) === 1);
  const second = await site.add('two');
  await until((occupancy) => countOf(occupancy, first) > 0 && countOf(occupancy, second) > 0);
  // Between the two counts: nobody knew.
  assert.deepEqual(
    said.map((occupancy) => typeof occupancy),
    ['string', 'object', 'string', 'object'],
  );
  isController = false;
  await until((occupancy) => occupancy === 'unknown');
  await site.add('three');
  isController = true;
  await until((occupancy) => occupancy !== 'unknown');
  const sum = (said.at(-1) as Uint32Array).reduce((total, count) => total + count, 0);
  assert.equal(sum, 3);
});

test('of more accounts than are wanted nobody hears', async () => {
  await using site = await openSite();
  const ids = [await site.add('one'), await site.add('two'), await site.add('three')];
  assert.deepEqual((await readAccountIds(site.engine, 3))?.sort(), ids.sort());
  assert.equal(await readAccountIds(site.engine, 2), undefined);
});
