// A claim of \Recent is answered before it is on disk, holds at once, and outlives the host when it is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import type { MailboxTarget } from './port.ts';
import {
  type CommitFault,
  failingEngine,
  newMessage,
  newOperation,
  openTestHosts,
  testAccountId,
  unloadAccount,
} from './testing.ts';

const inbox = { role: 'inbox' } as const;
const archive = { role: 'archive' } as const;

/** An account with three messages in each of two mailboxes, whose next commits end when `end` says how. */
async function accountWithHeldCommits() {
  let held: Promise<CommitFault> | undefined;
  const engine = failingEngine(
    openMemoryEngine(),
    () => held,
    () => new Error('never'),
  );
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const messages = [newMessage(), newMessage(), newMessage()];
  for (const target of [inbox, archive])
    await account.append({ operation: newOperation(), target, messages });
  await unloadAccount(hosts);
  const { promise, resolve } = Promise.withResolvers<CommitFault>();
  held = promise;
  const end = (fault: CommitFault): void => {
    held = undefined;
    resolve(fault);
  };
  const recentFrom = async (target: MailboxTarget, claimRecent = newOperation()): Promise<number> =>
    (await account.openMailbox(target, { claimRecent })).recentFrom;
  const seenFrom = async (): Promise<number> =>
    (await account.openMailbox(inbox, { claimRecent: false })).recentFrom;
  return { hosts, end, recentFrom, seenFrom };
}

test('a claim that is not on disk yet holds already, and other mailboxes open meanwhile', async () => {
  const { hosts, end, recentFrom, seenFrom } = await accountWithHeldCommits();
  const operation = newOperation();
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await recentFrom(inbox), 4);
  assert.equal(await seenFrom(), 4);
  assert.equal(await recentFrom(archive), 1);
  end(undefined);
  await unloadAccount(hosts);
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await seenFrom(), 4);
  await hosts.close();
});

test('a claim that was lost is made again by the next session', async () => {
  const { hosts, end, recentFrom, seenFrom } = await accountWithHeldCommits();
  assert.equal(await recentFrom(inbox), 1);
  assert.equal(await recentFrom(inbox), 4);
  end('unknownDropped');
  await unloadAccount(hosts);
  assert.equal(await seenFrom(), 1);
  assert.equal(await recentFrom(inbox), 1);
  assert.equal(await recentFrom(inbox), 4);
  await hosts.close();
});
