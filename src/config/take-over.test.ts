import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './load-config.ts';
import { takeOver } from './take-over.ts';

const read = (...overrides: string[]) => loadConfig({ overrides });

test('keys that can be taken over are, the others keep what the server started with', () => {
  const next = read('log.level=debug', 'hostname=new.test', 'limits.drain=3s', 'limits.intake_memory=1GiB');
  const { config, outcome } = takeOver(read(), next);
  assert.deepEqual([config.log.level, config.limits.drain], ['debug', 3_000]);
  assert.deepEqual([config.hostname, config.limits.intake_memory], ['localhost', 2 ** 28]);
  assert.deepEqual([...outcome.reloaded].sort(), ['certificates', 'limits.drain', 'log.level']);
  assert.deepEqual([...outcome.needRestart].sort(), ['hostname', 'limits.intake_memory']);
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.limits));
});

test('what waits for a restart is told again by each later reload, until it is taken back', () => {
  const next = read('proxy_protocol_from=["10.0.0.31"]');
  const first = takeOver(read(), next);
  assert.deepEqual(first.outcome.needRestart, ['proxy_protocol_from']);
  const second = takeOver(first.config, next);
  assert.deepEqual(second.outcome, { reloaded: ['certificates'], needRestart: ['proxy_protocol_from'] });
  assert.deepEqual(second.config.proxy_protocol_from, []);
  const third = takeOver(second.config, read());
  assert.deepEqual(third.outcome, { reloaded: ['certificates'], needRestart: [] });
});

test('an optional key that is set, or no longer there, is a change too', () => {
  const withAuthorities = read('tls.client_authorities=/etc/authorities.pem');
  const unset = takeOver(withAuthorities, read());
  assert.deepEqual(unset.outcome.needRestart, ['tls.client_authorities']);
  assert.equal(unset.config.tls.client_authorities, '/etc/authorities.pem');
  const set = takeOver(read(), withAuthorities);
  assert.deepEqual(set.outcome.needRestart, ['tls.client_authorities']);
  assert.equal(set.config.tls.client_authorities, undefined);
});
