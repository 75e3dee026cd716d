// The account over an engine that fails: memory must then equal what a fresh start reads, and whatever was acknowledged must
// be there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MailError } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import { mailboxIds, perform, Session, type Step, step } from './account-model-contract.ts';
import type { AccountPort } from './port.ts';
import {
  type CommitFault,
  failingEngine,
  newOperation,
  openMemoryBlobStore,
  openTestHosts,
  testAccountId,
} from './testing.ts';
import { testEngines } from './testing-engines.ts';

/** All that can be asked of an account, to compare two views of it. */
async function stateOf(account: AccountPort): Promise<unknown> {
  const list = await account.listMailboxes();
  const columns = [];
  for (const { id, selectable } of list.mailboxes)
    if (selectable) columns.push(await account.columns(id, undefined));
  return {
    list: { ...list, subscriptions: [...list.subscriptions].sort() },
    columns,
    quota: await account.quota(),
  };
}

for (const [kind, withEngine] of testEngines) {
  const numRuns = kind === 'memory' ? 60 : 8;

  test(`an engine that fails leaves memory equal to a reload, and nothing acknowledged is lost (${kind})`, () =>
    withEngine(async (engine) => {
      const fault = fc.constantFrom<CommitFault>(
        undefined,
        undefined,
        undefined,
        'rejected',
        'unknownApplied',
        'unknownDropped',
        'storageFull',
      );
      const groups = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 15 });
      await fc.assert(
        fc.asyncProperty(
          groups,
          fc.array(fault, { minLength: 1, maxLength: 20 }),
          fc.constantFrom(2, 1000),
          async (given, faults, messagesPerCommit) => {
            await runWithFaults(engine, given, { faults, messagesPerCommit });
          },
        ),
        { numRuns },
      );
    }));
}

async function runWithFaults(
  engine: Engine,
  groups: readonly (readonly Step[])[],
  { faults, messagesPerCommit }: { faults: readonly CommitFault[]; messagesPerCommit: number },
): Promise<void> {
  let turn = 0;
  let failing = false;
  const broken = failingEngine(
    engine,
    () => (failing ? faults[turn++ % faults.length] : undefined),
    () => new MailError('storageFull', 'injected'),
  );
  const blobs = openMemoryBlobStore(engine);
  const limits = { messagesPerCommit };
  const { hosts } = await openTestHosts({ engine: broken, blobs, limits });
  const account = await hosts.open(testAccountId);
  const ids = await mailboxIds(account);
  const session = new Session();
  const acknowledged = new Set<string>();
  const mayBeGone = new Set<string>();
  failing = true;
  for (const group of groups) {
    const outcomes = await Promise.allSettled(group.map((given) => perform(account, ids, given)));
    for (const [index, outcome] of outcomes.entries()) {
      const given = group[index]!;
      if (given.type === 'append' && outcome.status === 'fulfilled') {
        for (const uid of (outcome.value as { uids: Uint32Array }).uids) {
          assert.ok(!acknowledged.has(`${given.box}/${uid}`), 'a uid was given twice');
          acknowledged.add(`${given.box}/${uid}`);
        }
      }
      if (given.type === 'expunge' || (given.type === 'copy' && given.move)) {
        for (let uid = 1; uid < 100; uid++) mayBeGone.add(`${given.box}/${uid}`);
      }
    }
  }
  failing = false;
  // A change that does nothing else than making sure that leftovers of staged copies are gone.
  await account.setQuota({ operation: newOperation(), bytesMax: undefined, messagesMax: undefined });
  await (await hosts.host(testAccountId)).settled();
  const state = await stateOf(account);
  await session.follow(account, ids);
  const fresh = await openTestHosts({ engine, blobs, limits, create: false });
  const reloaded = await fresh.hosts.open(testAccountId);
  assert.deepEqual(await stateOf(reloaded), state);
  for (const [index, id] of ids.entries()) {
    const { uids } = await reloaded.columns(id, undefined);
    assert.deepEqual([...session.views[index]!.keys()], [...uids]);
    for (const one of acknowledged) {
      const [boxIndex, uid] = one.split('/').map(Number);
      if (boxIndex === index && !mayBeGone.has(one)) assert.ok(uids.includes(uid!), `${one} is lost`);
    }
    for (const { bytes } of await reloaded.readMessages(id, uids, 1e7)) assert.ok(bytes !== undefined);
  }
  await fresh.hosts.remove(testAccountId);
  await hosts.close();
  await fresh.hosts.close();
}
