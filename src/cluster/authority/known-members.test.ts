// Links while the database is away: who was a member a moment ago may come, for a while; nobody else may.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import { HandClock } from '../testing-cluster-members.ts';
import type { EnrolledNode } from './authority-rows.ts';
import { KnownMembers, knownForMs, newsReadMs } from './known-members.ts';

async function openMembers() {
  const clock = new HandClock();
  const enrolled = new Map<string, string>([
    ['one', 'key of one'],
    ['two', 'key of two'],
  ]);
  let news = (): void => {};
  const state = { isAway: false, isSilent: false, removed: new Set<string>(), listed: Promise.resolve() };
  const answer = async <T>(value: T): Promise<T> => {
    if (state.isSilent) await new Promise(() => {});
    if (state.isAway) throw new Error('away');
    return value;
  };
  const members = new KnownMembers({
    authority: {
      ownerOf: ({ node, publicKeyDigest }) => {
        const key = enrolled.get(node);
        return answer(key === undefined ? 'nobody' : key === publicKeyDigest ? 'itself' : 'another');
      },
      enrolledNodes: async () => {
        const nodes = [...enrolled].map(([node, keyDigest]) => ({ node, keyDigest }));
        await state.listed;
        return answer(nodes as unknown as EnrolledNode[]);
      },
    },
    engine: {
      subscribe: (_, listener) => {
        news = listener;
        return () => {};
      },
    },
    isRemoved: (node) => state.removed.has(node),
    clock,
    log: silentLog,
  });
  await clock.settle();
  const asks = async (node: string, publicKeyDigest = `key of ${node}`): Promise<string> => {
    const asked = members.isReplaced({ node: node as NodeId, publicKeyDigest });
    const said = asked.then(
      (isReplaced) => (isReplaced ? 'replaced' : 'taken'),
      () => 'not known',
    );
    if (state.isSilent) await clock.advance(1_000);
    return said;
  };
  const hearNews = async (): Promise<void> => {
    news();
    await clock.advance(newsReadMs);
  };
  return { clock, enrolled, state, members, asks, hearNews };
}

for (const how of ['isAway', 'isSilent'] as const) {
  test(`a node that is known is taken for a while, one that is not never (${how})`, async () => {
    const { clock, state, members, asks } = await openMembers();
    using _ = members;
    // It never called here: all that are enrolled are read.
    state[how] = true;
    assert.equal(await asks('two'), 'taken');
    assert.equal(await asks('two', 'another key'), 'not known');
    assert.equal(await asks('three'), 'not known');
    await clock.advance(knownForMs - 5_000);
    assert.equal(await asks('two'), 'taken');
    await clock.advance(10_000);
    assert.equal(await asks('two'), 'not known');
    state[how] = false;
    assert.equal(await asks('two'), 'taken');
  });
}

test('who is known to be removed or replaced does not come back while the database is away', async () => {
  const { enrolled, state, members, asks, hearNews } = await openMembers();
  using _ = members;
  enrolled.set('one', 'key of another machine');
  assert.equal(await asks('one'), 'replaced');
  state.isAway = true;
  assert.equal(await asks('one'), 'replaced');
  state.removed.add('two');
  assert.equal(await asks('two'), 'not known');
  // Forgotten by the operator, heard of with all others.
  state.isAway = false;
  state.removed.clear();
  enrolled.delete('two');
  enrolled.set('three', 'key of three');
  await hearNews();
  state.isAway = true;
  assert.equal(await asks('two'), 'not known');
  assert.equal(await asks('one', 'key of another machine'), 'taken');
  assert.equal(await asks('three'), 'taken');
});

test('a name that was forgotten opens nothing: not when it is admitted again, before another machine has it', async () => {
  const { enrolled, state, members, asks } = await openMembers();
  using _ = members;
  assert.equal(await asks('two'), 'taken');
  // Removed: it may come to hear that.
  enrolled.delete('two');
  state.removed.add('two');
  assert.equal(await asks('two'), 'taken');
  // Admitted: that is meant for whoever joins with a token, and not for who was thrown out.
  state.removed.clear();
  assert.equal(await asks('two'), 'replaced');
  state.isAway = true;
  assert.equal(await asks('two'), 'replaced');
});

test('a list of all that was asked for before a node was replaced does not bring it back', async () => {
  const { clock, enrolled, state, members, asks, hearNews } = await openMembers();
  using _ = members;
  const { promise, resolve } = Promise.withResolvers<void>();
  state.listed = promise;
  await hearNews();
  enrolled.set('one', 'key of another machine');
  assert.equal(await asks('one'), 'replaced');
  resolve();
  await clock.settle();
  state.isAway = true;
  assert.equal(await asks('one'), 'replaced');
  assert.equal(await asks('two'), 'taken');
});
