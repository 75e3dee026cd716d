// What a node of the outer zone may say of itself: others print it, and balancers are configured by it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMailError } from '../../mail/mail-error.ts';
import { clusterMethods } from './cluster-protocol.ts';
import { parseMethodQuestion } from './link-protocol.ts';

test('a heartbeat says names, addresses and ports, and no other text', () => {
  const said = {
    incarnation: 'a'.repeat(16),
    roles: ['frontend'],
    host: 'front1.example.test',
    linkVersions: { min: 1, max: 1 },
    softwareVersion: '0.1.0-dev+7',
    listeners: [{ name: 'imaps', address: '::1', port: 993 }],
    sessions: 0,
    isLeaving: false,
  };
  const parse = (changed: object) =>
    parseMethodQuestion(clusterMethods, 'heartbeat', { ...said, ...changed });
  for (const host of ['', '192.0.2.1', 'fe80::1%eth0']) assert.equal(parse({ host }).host, host);
  const refused = (error: unknown): boolean => isMailError(error, 'invalidArgument');
  for (const odd of ['a\n    server thief 192.0.2.9', '\u001b[2J', 'a b']) {
    assert.throws(() => parse({ host: odd }), refused);
    assert.throws(() => parse({ softwareVersion: odd }), refused);
    assert.throws(() => parse({ listeners: [{ ...said.listeners[0], name: odd }] }), refused);
    assert.throws(() => parse({ listeners: [{ ...said.listeners[0], address: odd }] }), refused);
  }
  assert.throws(() => parse({ listeners: [{ ...said.listeners[0], port: 65_536 }] }), refused);
});
