// What is kept of answers: a row that was damaged is in nobody's way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../../base/clock.ts';
import { openMemoryEngine } from '../../../storage/memory-engine.ts';
import { RecordDamaged } from '../../../storage/record.ts';
import { encodeTuple } from '../../../storage/tuple.ts';
import { IdempotencyKeys } from './idempotency.ts';

const hourMs = 3_600_000;

test('a damaged row is removed with the old ones, and fails nobody else', async () => {
  const engine = openMemoryEngine();
  let atMs = 1_000_000 * hourMs;
  const clock: Clock = { ...systemClock, now: () => atMs, monotonic: () => atMs };
  const keys = new IdempotencyKeys(engine, clock);
  const answer = { request: 'digest', status: 201, body: '{}', type: undefined };
  await keys.begin('token', 'first', 'digest');
  await keys.finish('token', 'first', answer);
  const damaged = encodeTuple(['idempotency', 'token', 'damaged']);
  await engine.commit({ puts: [{ key: damaged, value: Buffer.from('no record at all') }] });
  await assert.rejects(keys.begin('token', 'damaged', 'digest'), RecordDamaged);
  atMs += 25 * hourMs;
  assert.equal(await keys.begin('token', 'second', 'digest'), undefined);
  await keys.finish('token', 'second', answer);
  assert.equal(await engine.get(damaged), undefined);
  assert.equal(await engine.get(encodeTuple(['idempotency', 'token', 'first'])), undefined);
  assert.equal((await keys.begin('token', 'second', 'digest'))?.status, 201);
  assert.equal(await keys.begin('token', 'damaged', 'digest'), undefined);
});
