// Store check of messages that are in pages: what is damaged or lost of them is found, nothing is changed unless it may
// repair, after which nothing more is found and the messages that can be there are there, under their uids.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { Entry } from '../../storage/engine.ts';
import { AccountKeys } from '../records/account-keys.ts';
import {
  failingEngine,
  messageText,
  newMessage,
  newOperation,
  openTestHosts,
  storeCheckFindings,
  type TestHosts,
  testAccountId,
} from '../testing.ts';
import { flagsOf } from '../testing-engines.ts';

const keys = new AccountKeys(testAccountId);
const count = 20;
const inbox = 1;
const page = keys.messagePage(inbox, 0);
const row = keys.message(inbox, 3);

/** Twenty messages in one page; the third has a row over it, with another flag. */
async function filled(): Promise<TestHosts> {
  const opened = await openTestHosts();
  const account = await opened.hosts.open(testAccountId);
  const messages = Array.from({ length: count }, (_, index) =>
    newMessage(messageText({ id: `${index + 1}@test` }), ['\\Seen']),
  );
  const { mailboxId } = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages,
  });
  await account.storeFlags({
    operation: newOperation(),
    mailboxId,
    uids: Uint32Array.of(3),
    mode: 'add',
    flags: ['\\Flagged'],
    unchangedSince: undefined,
  });
  await opened.hosts.close();
  for (const key of [page, row]) assert.ok((await opened.engine.get(key)) !== undefined);
  return {
    ...(await openTestHosts({ ...opened, create: false })),
    engine: opened.engine,
    blobs: opened.blobs,
  };
}

function flipped({ key, value }: Entry): Entry {
  const other = Buffer.from(value);
  other[other.length - 1]! ^= 1;
  return { key, value: other };
}

async function damage({ engine }: TestHosts, key: Uint8Array): Promise<void> {
  await engine.commit({ puts: [flipped({ key, value: (await engine.get(key))! })] });
}

const all = Object.fromEntries(
  Array.from({ length: count }, (_, index) => [index + 1, index === 2 ? '\\Flagged \\Seen' : '\\Seen']),
);
const unflagged = Object.fromEntries(Object.keys(all).map((uid) => [uid, uid === '3' ? all[3] : '']));

interface Case {
  readonly name: string;
  readonly damage: (opened: TestHosts) => Promise<void>;
  readonly findings: readonly string[];
  readonly left: Record<string, string | undefined>;
}

const cases: readonly Case[] = [
  {
    name: 'a damaged page loses the flags of its messages, but not those of a message with a row of its own',
    damage: (opened) => damage(opened, page),
    findings: [
      'setAside: page 0 of mailbox 1 is damaged: its 19 messages lose their flags',
      'repaired: mailbox 1 counted wrong: unseen',
    ],
    left: unflagged,
  },
  {
    name: 'a damaged row over a page loses its last change',
    damage: (opened) => damage(opened, row),
    findings: ['setAside: message 3 of mailbox 1 is damaged, and is as it was before its last change'],
    left: { ...all, 3: '\\Seen' },
  },
  {
    name: 'an entry of an email that is lost goes from its page',
    damage: ({ engine }) =>
      engine.commit({ deletes: [keys.email(5), keys.content(5)] }).then(() => undefined),
    findings: [
      'setAside: message 5 of mailbox 1 has lost its email 5',
      'setAside: a summary of email 5, which is not there',
      'repaired: a thread row of an email that is not there',
      'repaired: mailbox 1 counted wrong: messages, bytes',
      'repaired: the account counted wrong: bytesUsed, messagesUsed',
    ],
    left: { ...all, 5: undefined },
  },
  {
    name: 'an email learns of its entry again',
    damage: async ({ engine }) => {
      await engine.commit({ deletes: [keys.email(5)] });
    },
    findings: ['repaired: the record of email 5 was lost or damaged'],
    left: all,
  },
  {
    name: 'a mailbox whose record is lost comes back with its page',
    damage: async ({ engine }) => {
      await engine.commit({ deletes: [keys.mailbox(inbox)] });
    },
    findings: [
      'repaired: mailbox 1 has messages but no record',
      'repaired: mailbox 1 counted wrong: messages, bytes',
    ],
    left: all,
  },
  {
    name: 'an account whose records are lost is made again from its pages',
    damage: async ({ engine }) => {
      await engine.commit({ deletes: [keys.account, keys.mailbox(inbox)] });
    },
    findings: [
      'repaired: the account record was made again',
      'repaired: mailbox 1 was made again as INBOX',
      'repaired: mailbox 1 counted wrong: messages, bytes',
      'repaired: the account counted wrong: bytesUsed, messagesUsed',
    ],
    left: all,
  },
];

for (const { name, damage: spoil, findings, left } of cases) {
  test(name, async () => {
    const opened = await filled();
    await spoil(opened);
    const reported = await storeCheckFindings(opened, false);
    assert.ok(reported.length > 0 && reported.every((line) => line.startsWith('reported: ')));
    assert.deepEqual(await storeCheckFindings(opened, true), findings);
    assert.deepEqual(await storeCheckFindings(opened, true), []);
    const account = await opened.hosts.open(testAccountId);
    const expected = Object.entries(left).filter(([, flags]) => flags !== undefined);
    assert.deepEqual(await flagsOf(account, inbox as never), Object.fromEntries(expected));
    const uids = Uint32Array.from(expected, ([uid]) => Number(uid));
    for (const { uid, bytes } of await account.readMessages(inbox as never, uids, 1e9))
      assert.match(Buffer.from(bytes!).toString(), new RegExp(`^Message-ID: <${uid}@test>`, 'm'));
    const appended = await account.append({
      operation: newOperation(),
      target: { id: inbox as never },
      messages: [newMessage()],
    });
    assert.ok(appended.uids[0]! > count);
    assert.deepEqual(await storeCheckFindings(opened, true), []);
    await opened.hosts.close();
  });
}

test('a lost page takes its messages along, which are set aside', async () => {
  const opened = await filled();
  await opened.engine.commit({ deletes: [page] });
  const findings = await storeCheckFindings(opened, true);
  assert.equal(findings.filter((line) => line.startsWith('setAside: email ')).length, count - 1);
  assert.deepEqual(await storeCheckFindings(opened, true), []);
  const account = await opened.hosts.open(testAccountId);
  assert.deepEqual(await flagsOf(account, inbox as never), { 3: all[3] });
  await opened.hosts.close();
});

test('what a cut-off copy left goes also when the record that told of it is lost', async () => {
  const { engine, hosts: first, blobs } = await openTestHosts();
  await first.close();
  const archive = keys.mailbox(6);
  const cutting = failingEngine(
    engine,
    ({ puts }) => (puts?.some(({ key }) => archive.equals(key)) ? 'rejected' : undefined),
    () => new Error('never'),
  );
  const cut = await openTestHosts({
    engine: cutting,
    blobs,
    create: false,
    limits: { messagesPerCommit: 8 },
  });
  const account = await cut.hosts.open(testAccountId);
  const messages = Array.from({ length: count }, () => newMessage());
  const { mailboxId, uids } = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages,
  });
  const target = { id: 6 as MailboxId };
  const copy = { operation: newOperation(), from: mailboxId, uids, to: target, move: false };
  await assert.rejects(account.copy(copy), Fault);
  // Nobody had the time to take it away.
  await cut.hosts.close();
  assert.ok((await engine.get(keys.messagePage(6, 0))) !== undefined);
  await engine.commit({ deletes: [keys.account] });
  const opened = await openTestHosts({ engine, blobs, create: false });
  const findings = [
    'repaired: the account record was made again',
    'repaired: the account counted wrong: bytesUsed, messagesUsed',
  ];
  assert.deepEqual(await storeCheckFindings(opened, true), findings);
  const again = await opened.hosts.open(testAccountId);
  await again.append({ operation: newOperation(), target, messages: [newMessage()] });
  assert.deepEqual(await flagsOf(again, target.id), { 1: '' });
  assert.deepEqual(await storeCheckFindings(opened, true), []);
  await opened.hosts.close();
});
