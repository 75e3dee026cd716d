// What a node of the outer zone can make the cluster believe of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LinkCall } from '../links/serving-link.ts';
import { clusterTopic, decodeNode, nodeKey } from '../membership/cluster-rows.ts';
import { ClusterView } from '../membership/cluster-view.ts';
import { HandClock } from '../testing-cluster-members.ts';
import { type ClusterServiceOptions, makeClusterPace, openClusterService } from './cluster-service.ts';

const node = 'edge' as NodeId;

function openService(clock = new HandClock()) {
  const engine = openMemoryEngine();
  const enrolled = [{ node, zone: 'outer', roles: ['frontend'] }];
  const options: unknown = {
    engine,
    authority: { enrolledNodes: async () => enrolled },
    settings: { current: async () => ({ version: 1 }) },
    view: () => new ClusterView(1),
    run: 'run',
    clock,
  };
  const peer = { node, zone: 'outer', keyDigest: '' };
  const pace = makeClusterPace(clock);
  /** Of one link. */
  const openLink = () => openClusterService(options as ClusterServiceOptions, peer, pace);
  const service = openLink();
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
    await ask('heartbeat', said);
    return decodeNode((await engine.get(nodeKey(node)))!);
  };
  const ask = (method: string, given: unknown, of = service) =>
    of({ method, held: false, arguments: given } as Partial<LinkCall> as LinkCall);
  return { engine, beat, ask, openLink };
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

test('a node changes its row, and is answered, so often at the most, over whichever links', async () => {
  const clock = new HandClock();
  const { engine, beat, ask, openLink } = openService(clock);
  /** How many were not refused for being too many; the authority and the configuration of this test fail all they are asked. */
  const taken = async (asked: () => Promise<unknown>, times: number): Promise<number> => {
    let count = 0;
    for (let time = 0; time < times; time++) {
      const error = await asked().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!isMailError(error, 'limitReached')) count++;
    }
    return count;
  };
  let signals = 0;
  engine.subscribe(clusterTopic, () => signals++);
  // Each is another run of the process, that stops at once: news for the whole cluster.
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  let run = 0;
  const restart = () => beat(letters[run++ % letters.length]!, { isLeaving: run % 2 === 0 });
  assert.equal(await taken(restart, 100), 8);
  assert.ok(signals <= 8);
  // As a node that is well does.
  await clock.advance(2_000);
  for (let second = 0; second < 30; second++) {
    await beat('a');
    await clock.advance(1_000);
  }
  assert.ok((await taken(() => beat('a'), 100)) <= 8);
  assert.equal(await taken(() => ask('places', {}, openLink()), 300), 100);
  assert.equal(await taken(() => ask('places', {}, openLink()), 10), 0);
  assert.equal(await taken(() => ask('configuration', undefined), 30), 10);
  const renew = () => ask('renewCertificate', { request: 'none' }, openLink());
  assert.equal(await taken(renew, 20), 4);
  await clock.advance(3_600_000);
  assert.equal(await taken(renew, 20), 4);
});
