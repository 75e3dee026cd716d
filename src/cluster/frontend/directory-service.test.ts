// The directory as nodes of the outer zone ask it: what they say of their clients counts for themselves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { openTestDirectory } from '../../directory/testing.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { LinkCall } from '../links/serving-link.ts';
import { openDirectoryService } from './directory-service.ts';
import { GrantGate } from './grant-gate.ts';
import { GrantKeys } from './grant-keys.ts';

async function openService() {
  const { directory, engine, clock } = await openTestDirectory({ failuresPerFrontend: 4 });
  const random = seededRandom(3);
  const keys = new GrantKeys({ engine, clock, random });
  const sessionEpochs = directory.sessionEpoch;
  const gate = new GrantGate({ keys, sessionEpochs, clock, random });
  const service = openDirectoryService({ directory, gate, keys, clock, random });
  const ask = async (peer: string, method: string, given: object): Promise<string> => {
    const call = { peer: peer as NodeId, method, held: false, arguments: given, grant: undefined };
    try {
      await service(call as unknown as LinkCall);
      return 'done';
    } catch (error) {
      if (isMailError(error)) return error.kind;
      throw error;
    }
  };
  return { directory, ask };
}

const alice = { user: 'alice@example.test', authorizationId: '' };
const contextOf = (index: number) => ({
  context: { service: 'imap', remoteAddress: `198.51.100.${index}`, traceId: 't', frontend: `other${index}` },
});

test('failures that a node tells of are its own, by password and by SCRAM, whomever else it names', async () => {
  const { directory, ask } = await openService();
  await directory.addAccount({ address: alice.user, password: 'right' });
  for (let index = 0; index < 2; index++) {
    const credentials = { user: `nobody${index}@example.test`, password: 'x', authorizationId: '' };
    const asked = { ...credentials, ...contextOf(index) };
    assert.equal(await ask('stolen', 'verifyPassword', asked), 'authenticationFailed');
  }
  for (let index = 2; index < 4; index++) {
    const outcome = { user: `nobody${index}@example.test`, authorizationId: '', ...contextOf(index) };
    assert.equal(await ask('stolen', 'failScram', outcome), 'authenticationFailed');
  }
  const right = { ...alice, password: 'right', ...contextOf(9) };
  assert.equal(await ask('stolen', 'verifyPassword', right), 'limitReached');
  assert.equal(await ask('stolen', 'scramChallenge', { user: alice.user, ...contextOf(9) }), 'limitReached');
  assert.equal(await ask('other9', 'verifyPassword', right), 'done');
  await directory[Symbol.asyncDispose]();
});
