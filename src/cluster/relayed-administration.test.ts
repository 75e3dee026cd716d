import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { LinkCall } from './links/serving-link.ts';
import {
  administrationMethod,
  administrationServiceName,
  openAdministrationService,
  type RelayedRequest,
} from './relayed-administration.ts';

const peer = 'f' as NodeId;

function callOf(change: Partial<Record<keyof RelayedRequest, unknown>> = {}): LinkCall {
  const request = {
    method: 'GET',
    url: '/api/domains',
    fields: { authorization: 'Bearer one' },
    remoteAddress: '192.0.2.1',
    isOperator: false,
  };
  return {
    service: administrationServiceName,
    method: administrationMethod,
    arguments: { ...request, ...change },
    grant: undefined,
    peer,
    held: false,
    isCancelled: false,
    push: async () => {},
    whenCancelled: () => {},
  };
}

/** What the admin API was asked. */
function openService(isOuter: boolean) {
  const asked: RelayedRequest[] = [];
  const service = openAdministrationService({
    answer: async (request, from) => {
      assert.deepEqual(from, { peer, isOuter });
      asked.push(request);
      return { status: 200, fields: {}, body: new Uint8Array(0) };
    },
    authorize: () => {},
    isOuter,
  });
  return { service, asked };
}

test('a request is carried as it came; a node of the outer zone vouches for no operator', async () => {
  const outer = openService(true);
  await outer.service(callOf());
  assert.deepEqual(outer.asked[0]!.fields, { authorization: 'Bearer one' });
  await assert.rejects(outer.service(callOf({ isOperator: true })), (error) =>
    isMailError(error, 'permissionDenied'),
  );
  assert.equal(outer.asked.length, 1);
  const inner = openService(false);
  await inner.service(callOf({ isOperator: true }));
  assert.equal(inner.asked[0]!.isOperator, true);
});

test('fields are few, and short texts', async () => {
  const { service, asked } = openService(true);
  const numbered = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'one']));
  await service(callOf({ fields: numbered(64) }));
  const bad: readonly unknown[] = [
    numbered(65),
    { accept: 'x'.repeat(16 * 1024 + 1) },
    { accept: 1 },
    ['accept', 'one'],
    'accept: one',
    undefined,
  ];
  for (const fields of bad)
    await assert.rejects(service(callOf({ fields })), (error) => isMailError(error, 'invalidArgument'));
  assert.equal(asked.length, 1);
});
