// What a session changes is told to the watches of its node with the answer, wherever the account is, and once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testAccountId } from '../account/testing.ts';
import type { AccountId, MailboxId } from '../mail/ids.ts';
import { type ChangeMadeHere, ChangesMadeHere } from './changes-made-here.ts';
import { deliver, listen, openNodes, portAt, testShard } from './testing-account-nodes.ts';

test('a change is told before its answer while the new host is not watched yet, and not again', async () => {
  await using nodes = await openNodes();
  const port = await portAt(nodes, 'f');
  const { events, until, stop } = listen(port);
  await until(({ type }) => type === 'mailboxes');
  const mayWatch = Promise.withResolvers<void>();
  const { hosted } = nodes.node('b');
  const watch = hosted.watch.bind(hosted);
  hosted.watch = async (...given) => {
    await mayWatch.promise;
    return watch(...given);
  };
  await nodes.move(testShard, 'b');
  events.length = 0;
  const { mailboxId, modSeq } = await deliver(port);
  const told = { type: 'mailbox', mailboxId, modSeq };
  assert.deepEqual(events, [told]);
  mayWatch.resolve();
  await until(({ type }) => type === 'mailboxes');
  assert.deepEqual(
    events.filter(({ type }) => type === 'mailbox'),
    [told],
  );
  stop();
});

test('the end of an account’s sessions reaches those that are not subscribed just then', async () => {
  await using nodes = await openNodes();
  const { until } = listen(await portAt(nodes, 'f'));
  await until(({ type }) => type === 'mailboxes');
  nodes.node('b').hosted.watch = () => new Promise(() => {});
  await nodes.move(testShard, 'b');
  await nodes.node('f').accounts.endSessions(testAccountId);
  await until(({ type }) => type === 'closed');
});

test('annotations that a guest sets are not told under the names he has for them', () => {
  const changes = new ChangesMadeHere();
  const heard: ChangeMadeHere[] = [];
  const stop = changes.watch(testAccountId, (change) => heard.push(change));
  const given = [{ mailboxId: 1 as MailboxId, changes: [{ name: '/private/comment', value: undefined }] }];
  const call = { method: 'setAnnotations', given, result: 7 } as const;
  changes.called({ accountId: testAccountId, actor: 'guest' as AccountId }, call);
  assert.deepEqual(heard, []);
  changes.called({ accountId: testAccountId }, call);
  assert.deepEqual(heard, [{ type: 'annotations', mailboxId: 1, names: ['/private/comment'], modSeq: 7 }]);
  stop();
  changes.called({ accountId: testAccountId }, call);
  assert.equal(heard.length, 1);
});
