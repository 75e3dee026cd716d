// What a node of the outer zone can make the cluster believe of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LinkCall } from '../links/serving-link.ts';
import { clusterTopic, decodeNode, nodeKey } from '../membership/cluster-rows.ts';
import { ClusterView } from '../membership/cluster-view.ts';
import { type ClusterServiceOptions, openClusterService } from './cluster-service.ts';

const node = 'edge' as NodeId;

function openService() {
  const engine = openMemoryEngine();
  const enrolled = [{ node, zone: 'outer', roles: ['frontend'] }];
  const options: unknown = {
    engine,
    authority: { enrolledNodes: async () => enrolled },
    settings: { current: async () => ({ version: 1 }) },
    view: () => new ClusterView(1),
    run: 'run',
    clock: systemClock,
  };
  const peer = { node, zone: 'outer', keyDigest: '' };
  const service = openClusterService(options as ClusterServiceOptions, peer);
  const beat = async (incarnation: string, more: object = {}) => {
    const said = {
      incarnation: incarnation.repeat(16),
      roles: ['frontend', 'backend'],
      host: '192.0.2.1',
      linkVersions: { min: 1, max: 1 },
      softwareVersion: '0.1.0',
      listeners: [],
      sessions: 0,
      isLeaving: false,
      ...more,
    };
    await service({ method: 'heartbeat', held: false, arguments: said } as Partial<LinkCall> as LinkCall);
    return decodeNode((await engine.get(nodeKey(node)))!);
  };
  return { engine, beat };
}

test('who has left stays away until the process is another one', async () => {
  const { engine, beat: beatWith } = openService();
  const beat = async (incarnation: string, isLeaving = false): Promise<string> => {
    const { state, roles } = await beatWith(incarnation, { isLeaving });
    assert.deepEqual(roles, ['frontend']);
    return state;
  };
  let signals = 0;
  engine.subscribe(clusterTopic, () => signals++);
  assert.equal(await beat('a'), 'active');
  assert.equal(await beat('a'), 'active');
  assert.equal(await beat('a', true), 'left');
  assert.equal(await beat('a'), 'left');
  assert.equal(signals, 2);
  assert.equal(await beat('b'), 'active');
});

test('a node has the share of the clients that it says, one of before that of any', async () => {
  const { beat } = openService();
  assert.equal((await beat('a', { weight: 30 })).weight, 30);
  assert.equal((await beat('a', { weight: 0 })).weight, 0);
  assert.equal((await beat('a')).weight, 100);
  await assert.rejects(beat('a', { weight: -1 }), (error) => isMailError(error, 'invalidArgument'));
});
