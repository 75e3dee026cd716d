// What nodes of before leave away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewMessage } from '../account/port.ts';
import { newMessage, testAccountId } from '../account/testing.ts';
import type { MailboxId, ModSeq, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { type AccountMethod, parseArguments, parseResult } from './remote-account-methods.ts';
import type { AccountRouting } from './remote-account-routing.ts';
import { RoutedAccount } from './routed-account.ts';

const uint32s = Uint32Array.of(1);
const float64s = Float64Array.of(1);
const columns = {
  uids: uint32s,
  flagsLow: uint32s,
  flagsHigh: uint32s,
  modSeqs: float64s,
  sizes: uint32s,
  internalDates: float64s,
  saveDates: float64s,
  emailIds: float64s,
};
const info = {
  ...{ id: 1, name: 'INBOX', selectable: true, uidValidity: 1, uidNext: 2, highestModSeq: 1, messages: 1 },
  ...{ unseen: 1, deleted: 0, bytes: 1, keywords: ['later'] },
};

test('columns without keywords are named by the mailbox, whose table then only grows', async () => {
  const asked: string[] = [];
  const answers: Partial<Record<AccountMethod, unknown>> = { columns, findMailbox: info };
  const routing = {
    call: async (_: unknown, { method }: { method: AccountMethod }) => {
      asked.push(method);
      return parseResult(method, answers[method]);
    },
  } as unknown as AccountRouting;
  const account = new RoutedAccount(routing, {
    accountId: testAccountId,
    shard: 0 as ShardId,
    actor: undefined,
  });
  const mailboxId = 1 as MailboxId;
  assert.deepEqual(await account.columns(mailboxId, undefined), { ...columns, keywords: ['later'] });
  assert.deepEqual(asked.splice(0), ['columns', 'findMailbox']);
  answers.columns = { ...columns, keywords: ['now'], ofTomorrow: 1 };
  assert.deepEqual(await account.columns(mailboxId, undefined), { ...columns, keywords: ['now'] });
  assert.deepEqual(asked, ['columns']);
  answers.columns = { ...columns, keywords: ['now'], sizes: new Uint32Array() };
  await assert.rejects(account.columns(mailboxId, undefined));
});

test('changes are asked for without a claim where claims are not known', async () => {
  const asked: unknown[] = [];
  const changes = { exists: true, uidValidity: 1, modSeq: 2, uidNext: 2, keywords: [], rights: 'lr' };
  const answer = { ...changes, changed: columns, vanished: uint32s, incomplete: false };
  let refusal = new MailError('invalidArgument', 'too many arguments');
  const routing = {
    call: async (_: unknown, { given }: { given: readonly unknown[] }) => {
      asked.push(given);
      if (given.length > 2) throw refusal;
      return parseResult('changesSince', answer);
    },
  } as unknown as AccountRouting;
  const account = new RoutedAccount(routing, {
    accountId: testAccountId,
    shard: 0 as ShardId,
    actor: undefined,
  });
  const claiming = { claimRecent: true };
  const ask = () => account.changesSince(1 as MailboxId, 1 as ModSeq, claiming);
  assert.deepEqual(await ask(), answer);
  assert.deepEqual(asked, [
    [1, 1, claiming],
    [1, 1],
  ]);
  refusal = new MailError('unavailable', 'the account moves');
  await assert.rejects(ask(), refusal);
  assert.equal(asked.length, 3);
});

test('where nobody says whether a message has NULs it may have some', () => {
  const message = { uid: 1, bytes: Buffer.from('a message'), size: 9 };
  assert.deepEqual(parseResult('readMessages', [message]), [{ ...message, isNulFree: false }]);
  const summary = { uid: 1, emailId: 1, threadId: 1, summary: Buffer.of(1) };
  assert.deepEqual(parseResult('readSummaries', [summary]), [{ ...summary, isNulFree: false }]);
  const { isNulFree: _, ...prepared } = newMessage().prepared;
  const messages = [{ ...newMessage(), prepared }];
  const given = [{ operation: 'one', target: { id: 1 }, messages }];
  const [options] = parseArguments('append', given) as [{ readonly messages: readonly NewMessage[] }];
  assert.equal(options.messages[0]!.prepared.isNulFree, false);
});
