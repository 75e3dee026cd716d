import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMailError } from '../../mail/mail-error.ts';
import { messageText, newMessage, newOperation, openTestHosts, testAccountId } from '../testing.ts';

test('what the quota is known to refuse is not written; a retry of what was stored is no second message', async () => {
  const { hosts, blobs } = await openTestHosts({ limits: { inlineBytesMax: 1_000 } });
  const account = await hosts.open(testAccountId);
  const large = (letter: string) => newMessage(messageText({ body: letter.repeat(10_000) }));
  const target = { role: 'inbox' } as const;
  await account.setQuota({ operation: newOperation(), bytesMax: 15_000, messagesMax: undefined });
  const first = { operation: newOperation(), target, messages: [large('a')] };
  const stored = await account.append(first);
  assert.deepEqual([...stored.uids], [1]);
  assert.equal(blobs.statistics().blobs, 1);
  await assert.rejects(
    account.append({ operation: newOperation(), target, messages: [large('b')] }),
    (error) => isMailError(error, 'overQuota'),
  );
  assert.equal(blobs.statistics().blobs, 1);
  assert.deepEqual(await account.append(first), stored);
  // Whether it takes any room is decided with the rest: then it is written first.
  const ifNew = { operation: newOperation(), target, messages: [large('c')], ifNew: true } as const;
  await assert.rejects(account.append(ifNew), (error) => isMailError(error, 'overQuota'));
  assert.equal(blobs.statistics().blobs, 2);
  assert.equal((await account.quota()).messagesUsed, 1);
  await hosts.close();
});
