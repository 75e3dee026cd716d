// The way to an account while it is handed over: who is asked, and how long is waited between two tries.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { NotHostedHere } from './links/link-failure.ts';
import { LinkPool } from './links/link-pool.ts';
import type { ShardPlace } from './location.ts';
import { AccountRouting } from './remote-account-routing.ts';

const shard = 1 as ShardId;
const hostedBy = (node: string, epoch: number): ShardPlace => ({
  node: node as NodeId,
  address: { host: '127.0.0.1', port: 1 },
  epoch: epoch as Epoch,
});

test('after the old host has been asked for long, the new one is asked again soon', async () => {
  const [old, next] = [hostedBy('old', 1), hostedBy('next', 2)];
  const waits: string[] = [];
  let refusals = 0;
  const placeOf = (): ShardPlace => (refusals < 5 ? old : next);
  const routing = new AccountRouting({
    locator: {
      self: 'self' as NodeId,
      placeOf,
      whenMoved: async (_, seen, waitMs) => {
        waits.push(`${seen?.node} ${waitMs}`);
      },
    },
    pool: new LinkPool({
      credentials: () => undefined as never,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      linksMax: 1,
    }),
    hosted: undefined,
    clock: systemClock,
    log: silentLog,
  });
  const asked = await routing.attempt(shard, 60_000, async ({ place }) => {
    // The new host takes it a little after others know.
    if (refusals++ < 8) throw new NotHostedHere('not yet');
    return place.node;
  });
  assert.equal(asked, 'next');
  assert.deepEqual(waits, [
    ...['old 10', 'old 20', 'old 40', 'old 80', 'old 160'],
    ...['next 10', 'next 20', 'next 40'],
  ]);
});
