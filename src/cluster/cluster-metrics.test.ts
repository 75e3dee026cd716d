import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openClusterSite, whenHosting } from '../../test/cluster-site.ts';
import { systemClock } from '../base/clock.ts';
import { Metrics } from '../base/metrics.ts';
import { observeCluster } from './cluster-metrics.ts';

/** The samples of what is exposed, by name and labels. */
async function samples(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.expose()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

test('the metrics of a cluster are what its status says, and moves are counted', async () => {
  await using site = await openClusterSite([{ name: 'a' }, { name: 'b' }]);
  const [a, b] = site.nodes;
  await whenHosting(a!.member, 'b', 128);
  const metrics = new Metrics();
  const day = 86_400_000;
  using _observed = observeCluster(metrics, {
    member: a!.member,
    clock: systemClock,
    links: { calling: () => 2, serving: () => 3 },
    certificateEndsAt: () => systemClock.now() + day,
  });
  const before = await samples(metrics);
  const of = (name: string): number | undefined => before.get(`rookery_cluster_${name}`);
  assert.deepEqual(
    [of('shards_held'), of('shards_unhosted'), of('shards_moving'), of('damaged_rows')],
    [128, 0, 0, 0],
  );
  assert.deepEqual([of('is_controller'), of('controller_term')], [1, 1]);
  assert.deepEqual([of('links_calling'), of('links_serving')], [2, 3]);
  assert.deepEqual([of('nodes{state="active"}'), of('nodes{state="dead"}')], [2, 0]);
  assert.ok(of('node_silent_seconds{node="b"}') !== undefined);
  assert.ok((of('lease_left_seconds') ?? 0) > 0);
  assert.ok(Math.abs((of('certificate_left_seconds') ?? 0) - day / 1000) < 60);
  assert.equal(of('shard_moves_total'), 0);
  await a!.administration.drain('b');
  await whenHosting(a!.member, 'b', 0);
  assert.equal((await samples(metrics)).get('rookery_cluster_shard_moves_total'), 128);
  assert.ok(b!.administration.isDraining());
});
