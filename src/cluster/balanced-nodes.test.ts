import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../mail/ids.ts';
import { balancedNodes } from './balanced-nodes.ts';
import type { NodeStatus } from './membership/cluster-status.ts';

function node(host: string, bound: readonly string[], more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    node: 'one' as NodeId,
    roles: ['frontend'],
    weight: 2,
    zone: 'inner',
    address: { host, port: 2433 },
    linkVersions: { min: 1, max: 1 },
    softwareVersion: '0.1.0',
    listeners: bound.map((text) => {
      const [name = '', address = '', port = ''] = text.split(' ');
      return { name, address, port: Number(port) };
    }),
    incarnation: 'x',
    state: 'active',
    drained: false,
    removing: false,
    silentMs: 0,
    load: { openAccounts: 0, sessions: 0, commitsPerSecond: 0 },
    shards: 0,
    isController: false,
    ...more,
  };
}

const placeOf = (...given: Parameters<typeof node>) => {
  const { address, listeners } = balancedNodes([node(...given)])[0]!;
  return [address, listeners];
};

test('a node is reached where most of its listeners are, and only they are named', () => {
  const everywhere = ['imaps 0.0.0.0 993', 'mx :: 25', 'admin 127.0.0.1 2080', 'link 0.0.0.0 2433'];
  assert.deepEqual(placeOf('10.0.0.1', everywhere), ['10.0.0.1', { imaps: 993, mx: 25 }]);
  const apart = ['imaps 192.0.2.1 993', 'mx 192.0.2.1 25', 'admin 10.0.0.1 2080', 'join 10.0.0.1 2434'];
  assert.deepEqual(placeOf('10.0.0.1', apart), ['192.0.2.1', { imaps: 993, mx: 25 }]);
  assert.deepEqual(placeOf('one.example', apart), ['192.0.2.1', { imaps: 993, mx: 25 }]);
  assert.deepEqual(placeOf('2001:db8::1', ['imaps 0.0.0.0 993', 'mx :: 25']), ['2001:db8::1', { mx: 25 }]);
  const oneMachine = ['imaps 127.0.0.2 993', 'admin 127.0.0.2 2080'];
  assert.deepEqual(placeOf('127.0.0.1', oneMachine), ['127.0.0.2', { imaps: 993, admin: 2080 }]);
  assert.deepEqual(placeOf('one.example', ['imaps 0.0.0.0 993']), ['one.example', {}]);
});

test('a node of an older version names no listeners; a removed one is not there', () => {
  const { listeners: _, ...older } = node('10.0.0.1', []);
  assert.deepEqual(balancedNodes([older])[0]!.listeners, {});
  assert.deepEqual(balancedNodes([node('10.0.0.1', [], { state: 'removed' })]), []);
});

test('who is drained, draining or away takes no new clients', () => {
  const isDraining = (more: Partial<NodeStatus>) =>
    balancedNodes([node('10.0.0.1', [], more)])[0]!.isDraining;
  assert.equal(isDraining({}), false);
  assert.equal(isDraining({ drained: true }), true);
  for (const state of ['draining', 'left', 'dead'] as const) assert.equal(isDraining({ state }), true);
});
