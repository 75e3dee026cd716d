import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestDirectory } from './testing.ts';

test('sessions that nobody was told to end are told of at the next start, once', async () => {
  const heard: string[] = [];
  let fails = true;
  const hear = async (what: string): Promise<void> => {
    heard.push(what);
    if (fails) throw new Error('nobody is there');
  };
  const hooks = {
    onPasswordChanged: (id: string) => hear(`ended ${id}`),
    onAccountChanged: () => hear('changed'),
  };
  const { directory, engine } = await openTestDirectory({ hooks });
  const [a, b, c] = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      directory.addAccount({ address: `${name}@example.test`, password: 'the first' }),
    ),
  );
  await directory.setPassword(a!.id, 'the second');
  await directory.setAccount(b!.id, { enabled: false });
  await directory.setAccount(b!.id, { enabled: true });
  await directory.setAccount(c!.id, { fullName: 'no reason to end any' });
  fails = false;
  await openTestDirectory({ hooks }, engine);
  await openTestDirectory({ hooks }, engine);
  const told = [a, b].map((account) => `ended ${account!.id}`).sort();
  assert.deepEqual(heard.slice(4).sort(), told);
  await directory.setPassword(a!.id, 'the third');
  await openTestDirectory({ hooks }, engine);
  assert.equal(heard.length, 7);
});
