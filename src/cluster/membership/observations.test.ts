// What counts as silence: only what was watched.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../mail/ids.ts';
import { nodeEntry } from './cluster-rows.ts';
import { ClusterView } from './cluster-view.ts';
import { Observations } from './observations.ts';

const heartbeatMs = 1_000;
const name = 'two' as NodeId;

function viewWithBeat(beat: number): ClusterView {
  const view = new ClusterView(1);
  const described = {
    node: name,
    roles: ['backend'],
    weight: 1,
    zone: 'inner',
    address: { host: '192.0.2.1', port: 4000 },
    linkVersions: { min: 1, max: 1 },
    softwareVersion: '0',
  } as const;
  const load = { openAccounts: 0, sessions: 0, commitsPerSecond: 0 };
  view.merge([
    nodeEntry({ ...described, revision: beat, incarnation: 'first', beat, state: 'active', load }),
  ]);
  return view;
}

test('a node is silent from the read that showed its last heartbeat', () => {
  const observations = new Observations(heartbeatMs);
  assert.equal(observations.silentMs(name, 0), 0);
  for (const now of [0, 500, 1_000, 1_500]) observations.observe(viewWithBeat(1), now);
  assert.equal(observations.silentMs(name, 1_500), 1_500);
  observations.observe(viewWithBeat(2), 2_000);
  assert.equal(observations.silentMs(name, 2_400), 400);
});

test('of a time without reads no more counts than a heartbeat takes to come', () => {
  const observations = new Observations(heartbeatMs);
  observations.observe(viewWithBeat(1), 0);
  observations.observe(viewWithBeat(1), 500);
  observations.observe(viewWithBeat(1), 9_500);
  assert.equal(observations.silentMs(name, 9_500), 500 + heartbeatMs);
  // Reads that are always late still find a dead node out.
  for (let now = 11_000; now <= 12_500; now += 1_500) observations.observe(viewWithBeat(1), now);
  assert.equal(observations.silentMs(name, 12_500), 500 + 3 * heartbeatMs);
});

test('a reset forgets how long anybody was silent, not since when a node is known', () => {
  const observations = new Observations(heartbeatMs);
  observations.observe(viewWithBeat(1), 0);
  observations.observe(viewWithBeat(1), 900);
  observations.reset(1_000);
  assert.equal(observations.silentMs(name, 1_200), 200);
  assert.equal(observations.incarnationMs(name, 1_200), 1_200);
});
