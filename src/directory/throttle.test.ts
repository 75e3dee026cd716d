// What a node of the outer zone may cause of failed logins, by what it says of its clients.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { AuthenticationContext, Directory } from './directory.ts';
import { fromHere, openTestDirectory } from './testing.ts';
import { throttleWindowMs } from './throttle.ts';

/** The principal's address, or the kind of refusal. */
async function login(
  directory: Directory,
  user: string,
  password: string,
  context: Partial<AuthenticationContext>,
): Promise<string> {
  const credentials = { user, password, authorizationId: '' };
  try {
    return (await directory.verifyPassword(credentials, { ...fromHere, ...context })).address;
  } catch (error) {
    if (isMailError(error)) return error.kind;
    throw error;
  }
}

test('a frontend that was broken into guesses little, whatever addresses it names', async () => {
  const { directory, clock } = await openTestDirectory({ failuresPerFrontend: 10 });
  for (let index = 0; index < 10; index++)
    await directory.addAccount({ address: `user${index}@example.test`, password: 'right' });
  const through = (frontend: string, user: number, password: string, remoteAddress: string) =>
    login(directory, `user${user}@example.test`, password, { remoteAddress, frontend: frontend as NodeId });
  // Its own addresses of before are known, and those of another's users are not known through it.
  assert.equal(await through('stolen', 8, 'right', '192.0.2.8'), 'user8@example.test');
  assert.equal(await through('other', 9, 'right', '192.0.2.9'), 'user9@example.test');
  const outcomes: string[] = [];
  for (let round = 0; round < 5; round++)
    for (let user = 0; user < 10; user++) {
      const remoteAddress = user === 9 ? '192.0.2.9' : `198.51.${round}.${user}`;
      outcomes.push(await through('stolen', user, `w${round}`, remoteAddress));
    }
  assert.equal(outcomes.filter((outcome) => outcome === 'authenticationFailed').length, 10);
  assert.equal(outcomes.filter((outcome) => outcome === 'limitReached').length, 40);
  assert.equal(await through('stolen', 1, 'right', '203.0.113.1'), 'limitReached');
  assert.equal(await through('stolen', 8, 'right', '192.0.2.8'), 'user8@example.test');
  // Where users are known to be it goes a little further, and not on.
  const known: string[] = [];
  for (let index = 0; index < 30; index++) {
    clock.advance(1);
    known.push(await through('stolen', 8, `known${index}`, '192.0.2.8'));
  }
  assert.ok(known.filter((outcome) => outcome === 'authenticationFailed').length <= 10);
  assert.equal(await through('stolen', 8, 'right', '192.0.2.8'), 'limitReached');
  assert.equal(await through('other', 1, 'right', '203.0.113.1'), 'user1@example.test');
  clock.advance(2 * throttleWindowMs);
  assert.equal(await through('stolen', 1, 'right', '203.0.113.1'), 'user1@example.test');
});

test('a frontend that was broken into locks nobody out who comes by another way', async () => {
  const { directory } = await openTestDirectory({ failuresPerAccount: 4, failuresPerFrontend: 1000 });
  await directory.addAccount({ address: 'alice@example.test', password: 'right' });
  const stolen = 'stolen' as NodeId;
  const victim = '203.0.113.7';
  for (let index = 0; index < 40; index++)
    await login(directory, `nobody${index}@example.test`, 'x', { remoteAddress: victim, frontend: stolen });
  for (let index = 0; index < 40; index++) {
    const remoteAddress = `198.51.100.${index}`;
    await login(directory, 'alice@example.test', `w${index}`, { remoteAddress, frontend: stolen });
  }
  const at = (more: Partial<AuthenticationContext>) =>
    login(directory, 'alice@example.test', 'right', { remoteAddress: victim, ...more });
  assert.equal(await at({ frontend: stolen }), 'limitReached');
  assert.equal(await at({ frontend: 'other' as NodeId }), 'alice@example.test');
  assert.equal(await at({}), 'alice@example.test');
});
