import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '../base/random.ts';
import { isMailError } from '../mail/mail-error.ts';
import { HashGate, PasswordHasher } from './password-hash.ts';
import { cheapHash } from './testing.ts';

test('hashes: PHC form, and what is not ours does not match', async () => {
  const hasher = new PasswordHasher(cheapHash, systemRandom);
  const stored = await hasher.hash('right');
  assert.match(stored, /^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  const nothing = (): void => undefined;
  assert.equal(await hasher.verify('right', stored, nothing), true);
  assert.equal(await hasher.verify('Right', stored, nothing), false);
  assert.equal(await hasher.verify('right', undefined, nothing), false);
  assert.equal(await hasher.verify('right', stored.replace('m=8,', 'm=99999999,'), nothing), false);
});

test('the hash gate bounds what runs and what waits', async () => {
  const gate = new HashGate(1, 1);
  let finish = (): void => undefined;
  const first = gate.run(
    () =>
      new Promise<void>((resolve) => {
        finish = resolve;
      }),
  );
  const second = gate.run(async () => 'second');
  await assert.rejects(
    gate.run(async () => 'third'),
    (error) => isMailError(error, 'unavailable'),
  );
  finish();
  await first;
  assert.equal(await second, 'second');
  assert.equal(await gate.run(async () => 'fourth'), 'fourth');
});
