// What waits for its group can be taken back, and what comes later goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { addBatch, GroupCommit, type PendingCommit } from './group-commit.ts';

test('commits that have not gone to the writer are taken back, those that come then go on', async () => {
  const groups: (readonly PendingCommit[])[] = [];
  const held = Promise.withResolvers<void>();
  const commits = new GroupCommit({
    nextTurn: () => systemClock.nextTurn(),
    write: async (group) => {
      groups.push(group);
      await held.promise;
      for (const { resolve } of group) resolve({ outcome: 'committed' });
    },
  });
  const add = async (): Promise<string> => {
    try {
      return (await addBatch(commits, {})).outcome;
    } catch (error) {
      return String(error);
    }
  };
  const turn = () => systemClock.nextTurn();
  const out = [add()];
  await turn();
  await turn();
  const gathering = add();
  commits.rejectWaiting(new Error('gone'));
  assert.equal(await gathering, 'Error: gone');
  out.push(add());
  await turn();
  await turn();
  // Two groups are at the writer, so this one waits.
  const waiting = add();
  await turn();
  commits.rejectWaiting(new Error('gone'));
  assert.equal(await waiting, 'Error: gone');
  assert.deepEqual(
    groups.map(({ length }) => length),
    [1, 1],
  );
  out.push(add());
  held.resolve();
  assert.deepEqual(await Promise.all(out), ['committed', 'committed', 'committed']);
  const last = add();
  commits.rejectWaiting(new Error('gone'));
  await Promise.all([last, commits.close()]);
  await turn();
  assert.ok(groups.every(({ length }) => length > 0));
});
