import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMailError } from '../mail/mail-error.ts';
import { openTestDirectory } from './testing.ts';

const within = { withinLimits: true };

test('accounts that are added at once within the limits of a domain are not one too many', async () => {
  const { directory, engine } = await openTestDirectory();
  await directory.addAccount({ address: 'first@example.test', password: undefined });
  await directory.addDomain({ name: 'other.test', accountsMax: 0 });
  await directory.setDomain('example.test', { accountsMax: 3 });
  // As on two nodes.
  const { directory: another } = await openTestDirectory({}, engine);
  const wanted = Array.from({ length: 6 }, (_, at) => ({
    address: `a${at}@example.test`,
    password: undefined,
  }));
  const added = await Promise.allSettled(
    wanted.map((account, at) => (at % 2 === 0 ? directory : another).addAccount(account, within)),
  );
  const refused = added.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  assert.equal(refused.length, 4);
  assert.ok(refused.every((error) => isMailError(error, 'permissionDenied')));
  assert.equal((await directory.accounts({ after: undefined, limit: 100 })).items.length, 3);
  const elsewhere = { address: 'a@other.test', password: undefined };
  await assert.rejects(directory.addAccount(elsewhere, within), { kind: 'permissionDenied' });
  await directory.addAccount(elsewhere);
});

test('limits are whole numbers, and kept by changes that say nothing of them', async () => {
  const { directory } = await openTestDirectory();
  for (const wrong of [-1, 1.5, Number.NaN])
    await assert.rejects(directory.setDomain('example.test', { accountsMax: wrong }), {
      kind: 'invalidArgument',
    });
  await directory.setDomain('example.test', { accountsMax: 3, quotaBytesMax: 0 });
  const { accountsMax, quotaBytesMax } = await directory.setDomain('example.test', { description: 'x' });
  assert.deepEqual([accountsMax, quotaBytesMax], [3, 0]);
});
