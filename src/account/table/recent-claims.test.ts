// A claim of \Recent is answered before it is on disk, holds at once, and outlives the host when it is; those of sessions
// that are told of arrivals wait for another commit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { Engine } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { MailboxTarget } from '../port.ts';
import {
  type CommitFault,
  failingEngine,
  newMessage,
  newOperation,
  openTestHosts,
  testAccountId,
  unloadAccount,
} from '../testing.ts';

const inbox = { role: 'inbox' } as const;
const archive = { role: 'archive' } as const;

/** An account with three messages in each of two mailboxes, whose next commits, once one has begun, end when `end` says how. */
async function accountWithHeldCommits() {
  let held: Promise<CommitFault> | undefined;
  const begun = Promise.withResolvers<void>();
  const engine = failingEngine(
    openMemoryEngine(),
    () => {
      if (held !== undefined) begun.resolve();
      return held;
    },
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
  const end = async (fault: CommitFault): Promise<void> => {
    await begun.promise;
    held = undefined;
    resolve(fault);
  };
  const recentFrom = async (target: MailboxTarget, claimRecent = newOperation()): Promise<number> =>
    (await account.openMailbox(target, { claimRecent })).recentFrom;
  const seenFrom = async (): Promise<number> =>
    (await account.openMailbox(inbox, { claimRecent: false })).recentFrom;
  return { engine, hosts, end, recentFrom, seenFrom };
}

test('a claim that is not on disk yet holds already, and other mailboxes open meanwhile', async () => {
  const { hosts, end, recentFrom, seenFrom } = await accountWithHeldCommits();
  const operation = newOperation();
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await recentFrom(inbox), 4);
  assert.equal(await seenFrom(), 4);
  assert.equal(await recentFrom(archive), 1);
  await end(undefined);
  await unloadAccount(hosts);
  assert.equal(await recentFrom(inbox, operation), 1);
  assert.equal(await seenFrom(), 4);
  await hosts.close();
});

/** Messages from here on are \Recent to the next session on another host. */
async function recentElsewhere(engine: Engine): Promise<number> {
  const { hosts } = await openTestHosts({ engine, create: false });
  const account = await hosts.open(testAccountId);
  const { recentFrom } = await account.openMailbox(inbox, { claimRecent: false });
  await hosts.close();
  return recentFrom;
}

test('a claim whose commit failed holds while the host lives, and is made again on the next', async () => {
  const { engine, hosts, end, recentFrom, seenFrom } = await accountWithHeldCommits();
  assert.equal(await recentFrom(inbox), 1);
  assert.equal(await recentFrom(inbox), 4);
  await end('unknownDropped');
  await unloadAccount(hosts);
  assert.equal(await seenFrom(), 4);
  await hosts.close();
  assert.equal(await recentElsewhere(engine), 1);
});

/** This engine counts a commit when it is asked for it. */
const commitsOf = (engine: Engine): number => engine.statistics().commits;

/** A session has the empty INBOX selected; what is asked of the host counts its commits. */
async function accountWithSession() {
  const engine = openMemoryEngine();
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  const ended = account.watch(() => {});
  const { info } = await account.openMailbox(inbox, { claimRecent: newOperation() });
  const append = () => account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  const recentFrom = async (claimRecent: boolean): Promise<number | undefined> =>
    (await account.changesSince(info.id, info.highestModSeq, { claimRecent })).recentFrom;
  return { engine, hosts, account, append, recentFrom, ended, commits: () => commitsOf(engine) };
}

test('arrivals are claimed by the session that is told first, and without a commit', async () => {
  const { engine, hosts, account, append, recentFrom, commits } = await accountWithSession();
  await append();
  const before = commits();
  // EXAMINE.
  assert.equal(await recentFrom(false), 1);
  assert.equal(await recentFrom(true), 1);
  assert.equal(await recentFrom(true), 2);
  assert.equal(await recentFrom(false), 2);
  await unloadAccount(hosts);
  assert.equal((await account.openMailbox(inbox, { claimRecent: newOperation() })).recentFrom, 2);
  assert.equal(commits(), before);
  assert.equal(await recentElsewhere(engine), 1);
  await hosts.close();
});

test('claims of arrivals are committed with the next change of the mailbox', async () => {
  const { engine, hosts, append, recentFrom, commits } = await accountWithSession();
  await append();
  assert.equal(await recentFrom(true), 1);
  const before = commits();
  await append();
  assert.equal(commits(), before + 1);
  assert.equal(await recentElsewhere(engine), 2);
  assert.equal(await recentFrom(true), 2);
  assert.equal(await recentFrom(true), 3);
  await hosts.close();
});

test('claims of arrivals are committed when the last session ends, if any are left', async () => {
  const { engine, hosts, account, append, recentFrom, ended, commits } = await accountWithSession();
  const endedToo = account.watch(() => {});
  await append();
  assert.equal(await recentFrom(true), 1);
  const before = commits();
  const { writer } = await hosts.host(testAccountId);
  ended();
  assert.equal(writer.busy, false);
  endedToo();
  while (writer.busy) await systemClock.nextTurn();
  assert.equal(commits(), before + 1);
  assert.equal(await recentElsewhere(engine), 2);
  account.watch(() => {})();
  assert.equal(writer.busy, false);
  await hosts.close();
});

test('the commit of a claim begins when the turn in which it was answered is over', async () => {
  const engine = openMemoryEngine();
  const { hosts } = await openTestHosts({ engine });
  const account = await hosts.open(testAccountId);
  await account.append({ operation: newOperation(), target: inbox, messages: [newMessage()] });
  const before = commitsOf(engine);
  const sent = Promise.withResolvers<number>();
  await account.openMailbox(inbox, { claimRecent: newOperation() });
  // As a connection sends what was written: when all that follows at once has been done.
  process.nextTick(() => sent.resolve(commitsOf(engine)));
  assert.equal(await sent.promise, before);
  while (commitsOf(engine) === before) await systemClock.nextTurn();
  await hosts.close();
});
