// What is known of NULs in messages that are read, however they are stored and whoever stored them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../../storage/engine.ts';
import type { AccountPort } from '../port.ts';
import { AccountKeys } from '../records/account-keys.ts';
import {
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  type EmailRecord,
  encodeContent,
  encodeEmail,
  encodeSummaryRecord,
} from '../records/email-record.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openTestHosts,
  storeCheckFindings,
  testAccountId,
  unloadAccount,
} from '../testing.ts';

const inline = messageText();
const blob = messageText({ body: 'y'.repeat(200_000) });
const nul = Buffer.from('\0\r\n');
const texts = [inline, Buffer.concat([inline, nul]), blob, Buffer.concat([blob, nul])];
const keys = new AccountKeys(testAccountId);

async function filled() {
  const opened = await openTestHosts();
  const account = await opened.hosts.open(testAccountId);
  const messages = texts.map((text) => newMessage(text));
  const { mailboxId, emailIds } = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages,
  });
  return { opened, account, mailboxId, emailIds };
}

/** Of all messages; they have the bytes that were stored. */
async function whatIsKnown(account: AccountPort, role: 'inbox' | 'archive'): Promise<boolean[]> {
  const { info, uids } = await account.openMailbox({ role }, { claimRecent: false });
  const messages = await account.readMessages(info.id, uids, 1e6);
  for (const [index, { bytes }] of messages.entries()) assert.deepEqual(Buffer.from(bytes!), texts[index]);
  const known = messages.map(({ isNulFree }) => isNulFree);
  const summaries = await account.readSummaries(info.id, uids, 1e6);
  assert.deepEqual(
    summaries.map(({ isNulFree }) => isNulFree),
    known,
  );
  return known;
}

/** As a program wrote it that did not look for NULs. */
async function forget(engine: Engine, emailId: number, wrong: Partial<EmailRecord> = {}): Promise<void> {
  const email = decodeEmail((await engine.get(keys.email(emailId)))!);
  const [content, summary] = await engine.getMany([keys.content(emailId), keys.summary(emailId)]);
  const unknown = { ...decodeSummaryRecord(summary!), isNulFree: false };
  const puts = [
    { key: keys.summary(emailId), value: encodeSummaryRecord(unknown) },
    { key: keys.email(emailId), value: encodeEmail({ ...email, ...wrong, isNulFree: false }) },
  ];
  if (content !== undefined) {
    const { bytes } = decodeContent(content);
    puts.push({ key: keys.content(emailId), value: encodeContent({ bytes, isNulFree: false }) });
  }
  await engine.commit({ puts });
}

test('what was seen of a message when it was stored is known when it is read, of copies too', async () => {
  const { account, mailboxId } = await filled();
  const known = [true, false, true, false];
  assert.deepEqual(await whatIsKnown(account, 'inbox'), known);
  const copying = { from: mailboxId, uids: Uint32Array.of(1, 2, 3, 4), to: { role: 'archive' } } as const;
  await account.copy({ operation: newOperation(), ...copying, move: false });
  assert.deepEqual(await whatIsKnown(account, 'archive'), known);
  const uids = undefined;
  await account.expunge({ operation: newOperation(), mailboxId, uids, anyFlags: true });
  assert.deepEqual(await whatIsKnown(account, 'archive'), known);
});

test('of messages that were stored before nothing is known, and they are sound', async () => {
  const { opened, account, emailIds } = await filled();
  for (const emailId of emailIds) await forget(opened.engine, emailId);
  await unloadAccount(opened.hosts);
  assert.deepEqual(await whatIsKnown(account, 'inbox'), [false, false, false, false]);
  assert.deepEqual(await storeCheckFindings(opened, true), []);
});

test('a check that writes an email record again notes what it saw', async () => {
  const { opened, emailIds } = await filled();
  const { engine } = opened;
  for (const emailId of emailIds) await forget(engine, emailId, { sentOtherwise: true });
  assert.equal((await storeCheckFindings(opened, true)).length, 4);
  const noted: boolean[] = [];
  for (const emailId of emailIds) noted.push(decodeEmail((await engine.get(keys.email(emailId)))!).isNulFree);
  assert.deepEqual(noted, [true, false, true, false]);
});
