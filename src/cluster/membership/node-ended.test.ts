import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../mail/ids.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { performRequest } from './cluster-requests.ts';
import { clusterTopic, decodeNode, type NodeRow, nodeEntry, nodeKey } from './cluster-rows.ts';
import { declareEnded } from './node-ended.ts';

const shardCount = 4;

function row(node: string, more: Partial<NodeRow>): NodeRow {
  return {
    node: node as NodeId,
    revision: 7,
    incarnation: `${node}-1`,
    beat: 3,
    state: 'active',
    roles: ['backend'],
    weight: 100,
    zone: 'inner',
    address: { host: '127.0.0.1', port: 1 },
    linkVersions: { min: 1, max: 1 },
    softwareVersion: '0',
    load: { openAccounts: 0, sessions: 0, commitsPerSecond: 0 },
    ...more,
  };
}

test('a node that has ended is dead at once, with others told; what is over already stays as it is', async () => {
  await using engine = openMemoryEngine();
  const rows = [
    row('a', {}),
    row('b', {}),
    row('c', { state: 'draining', leaving: 'remove' }),
    row('d', { state: 'left' }),
  ];
  await engine.commit({ puts: rows.map(nodeEntry) });
  const stateOf = async (node: string): Promise<string> => {
    const { state, revision } = decodeNode((await engine.get(nodeKey(node as NodeId)))!);
    return `${state} ${revision}`;
  };
  const states = (): Promise<string[]> => Promise.all(['a', 'b', 'c', 'd'].map(stateOf));
  let signals = 0;
  engine.subscribe(clusterTopic, () => signals++);
  await performRequest(engine, shardCount, declareEnded('a' as NodeId));
  assert.deepEqual(await states(), ['dead 8', 'active 7', 'draining 7', 'left 7']);
  assert.equal(signals, 1);
  await performRequest(engine, shardCount, declareEnded('a' as NodeId));
  await performRequest(engine, shardCount, declareEnded('nobody' as NodeId));
  assert.equal(signals, 1);
  await performRequest(engine, shardCount, declareEnded());
  assert.deepEqual(await states(), ['dead 8', 'dead 8', 'removed 8', 'left 7']);
});
