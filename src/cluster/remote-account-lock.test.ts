// The lock of a maildrop across nodes: hand-overs, frontends that die, sessions that were cut off meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOperation } from '../account/testing.ts';
import { refusedWith } from '../account/testing-engines.ts';
import type { MailboxId } from '../mail/ids.ts';
import { deliver, inbox, openNodes, portAt, testShard } from './testing-account-nodes.ts';

test('the maildrop lock is one lock for all nodes, ends with its session, and follows the account', async () => {
  await using nodes = await openNodes();
  const [here, there, third] = await Promise.all(['a', 'f', 'b'].map((name) => portAt(nodes, name)));
  await deliver(there!);
  const lock = await there!.lockMaildrop();
  await assert.rejects(here!.lockMaildrop(), refusedWith('inUse'));
  await assert.rejects(third!.lockMaildrop(), refusedWith('inUse'));
  await nodes.move(testShard, 'b');
  await there!.expunge({
    operation: newOperation(),
    mailboxId: 1 as MailboxId,
    uids: undefined,
    anyFlags: true,
  });
  await assert.rejects(here!.lockMaildrop(), refusedWith('inUse'));
  await lock[Symbol.asyncDispose]();
  const next = await here!.lockMaildrop();
  await next[Symbol.asyncDispose]();
  // A frontend that dies gives its locks back.
  await there!.lockMaildrop();
  await nodes.node('f').pool.close();
  for (let free = false; !free; ) {
    free = await here!.lockMaildrop().then(
      () => true,
      (error) => !refusedWith('inUse')(error),
    );
  }
});

test('a session whose lock another one took in a hand-over changes nothing any more', async () => {
  await using nodes = await openNodes();
  const [mine, theirs] = await Promise.all([portAt(nodes, 'f'), portAt(nodes, 'b')]);
  await deliver(mine);
  await using _lock = await mine.lockMaildrop();
  // The frontend is cut off while the account moves, and the other session is quicker.
  nodes.node('b').relay.freeze();
  await nodes.move(testShard, 'b');
  await using _other = await theirs.lockMaildrop();
  nodes.node('b').relay.thaw();
  const expunge = () =>
    mine.expunge({ operation: newOperation(), mailboxId: 1 as MailboxId, uids: undefined, anyFlags: true });
  await assert.rejects(expunge(), refusedWith('inUse'));
  await assert.rejects(expunge(), refusedWith('inUse'));
  assert.equal((await mine.findMailbox(inbox))!.messages, 1);
});
