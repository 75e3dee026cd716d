// Takes every shard of a store for this process: what a server without a cluster does when it starts.
// Invariant: an epoch is raised by a commit with a condition on the old one; from then on a process that took the
// shards before is fenced: its commits are refused, so two servers on one store cannot both write.
// Fails with the engine's faults, or a Fault when others keep taking the shards at the same time.

import type { AccountHosts, ShardLeases } from '../account/account-hosts.ts';
import { shardCount } from '../account/shard.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import type { Epoch, ShardId } from '../mail/ids.ts';
import type { Engine } from '../storage/engine.ts';
import { decodeEpoch, fenceKey, raiseEpoch } from '../storage/fence.ts';

/** Two that start at once meet a few times at the most. */
const attemptsMax = 10;

/** What accounts remember is not there any more when the engine lost commits: their sessions end, and they are read again. */
export function forgetWhenReverted(
  engine: Pick<Engine, 'onReverted'>,
  hosts: Pick<AccountHosts, 'closeShard'>,
  log: Logger,
): Disposable {
  const unhook = engine.onReverted?.(() => {
    for (let shard = 0; shard < shardCount; shard++)
      hosts.closeShard(shard as ShardId).catch((error: unknown) => {
        log.error({ err: error, shard }, 'the accounts of a shard could not be closed');
      });
  });
  return { [Symbol.dispose]: () => unhook?.() };
}

export async function acquireAllShards(engine: Engine): Promise<ShardLeases> {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard as ShardId);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const rows = await engine.getMany(shards.map(fenceKey));
    const epochs = rows.map((row) => (decodeEpoch(row) + 1) as Epoch);
    const raised = shards.map((shard) => raiseEpoch(shard, rows[shard], epochs[shard]!));
    const result = await engine.commit({
      conditions: raised.map(({ condition }) => condition),
      puts: raised.map(({ put }) => put),
      // A server whose disk is full must start, so that its users can make room.
      fromReserve: true,
    });
    if (result.outcome === 'committed') return { epochOf: (shard) => epochs[shard]! };
  }
  throw new Fault('other servers keep taking the shards of this store', { temporary: true });
}
