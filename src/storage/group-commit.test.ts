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

test('a writer with nothing to do is given the first commit at once, the next ones together', async () => {
  const groups: number[] = [];
  let flushed = Promise.withResolvers<void>();
  const commits = new GroupCommit({
    nextTurn: () => systemClock.nextTurn(),
    eager: true,
    write: async (group) => {
      groups.push(group.length);
      await flushed.promise;
      for (const { resolve } of group) resolve({ outcome: 'committed' });
    },
  });
  const out = [addBatch(commits, {}), addBatch(commits, {}), addBatch(commits, {})];
  assert.deepEqual(groups, [1]);
  await systemClock.nextTurn();
  await systemClock.nextTurn();
  assert.deepEqual(groups, [1, 2]);
  flushed.resolve();
  await Promise.all(out);
  flushed = Promise.withResolvers<void>();
  const again = addBatch(commits, {});
  assert.deepEqual(groups, [1, 2, 1]);
  flushed.resolve();
  await again;
  await commits.close();
});
