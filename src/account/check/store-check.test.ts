// Every kind of record is damaged or taken away in turn; the check must notice, leave things alone unless it may repair,
// and after a repair find nothing more, while the messages that can be there are there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../../storage/tuple.ts';
import type { AccountPort } from '../port.ts';
import { segmentSections } from '../search-index/segment-reader.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openMemoryBlobStore,
  openTestHosts,
  storeCheckFindings,
  type TestHosts,
  testAccountId,
} from '../testing.ts';
import { checkStore } from './store-check.ts';

const large = Buffer.concat([messageText({ id: 'large@test' }), Buffer.alloc(200_000, 'y')]);

/** As one that POP3 sends with another size than it has. */
const bareLineFeeds = (text: Buffer) =>
  Buffer.from(text.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');

async function filled(): Promise<TestHosts> {
  const opened = await openTestHosts();
  const account = await opened.hosts.open(testAccountId);
  const texts = [
    messageText({ id: 'a@test' }),
    messageText({ id: 'b@test', references: 'a@test', subject: 'Re: Hello' }),
    bareLineFeeds(messageText({ id: 'c@test' })),
    large,
  ];
  const messages = texts.map((text) => newMessage(text, ['Kept']));
  await account.append({ operation: newOperation(), target: { role: 'inbox' }, messages });
  const { id } = (await account.findMailbox({ role: 'inbox' }))!;
  await account.copy({
    operation: newOperation(),
    from: id,
    uids: Uint32Array.of(1),
    to: { role: 'archive' },
    move: false,
  });
  await account.expunge({
    operation: newOperation(),
    mailboxId: id,
    uids: Uint32Array.of(3),
    anyFlags: true,
  });
  return opened;
}

async function dump(engine: Engine): Promise<Map<string, string>> {
  const page = await engine.page(
    { start: Buffer.from([0]), end: Buffer.from([255]) },
    { entriesMax: 1e6, bytesMax: 1e9 },
  );
  return new Map(
    page.entries.map(({ key, value }) => [
      Buffer.from(key).toString('hex'),
      Buffer.from(value).toString('hex'),
    ]),
  );
}

/** Rows of one kind, by letter; '' is the account's own. */
async function rowsOf(engine: Engine, letter: string): Promise<readonly { key: Bytes; value: Bytes }[]> {
  if (letter === '') {
    const key = encodeTuple(['a', testAccountId]);
    return [{ key, value: (await engine.get(key))! }];
  }
  const range = tuplePrefixRange(['a', testAccountId, letter]);
  return (await engine.page(range, { entriesMax: 1000, bytesMax: 1e9 })).entries;
}

async function subjects(account: AccountPort): Promise<string[]> {
  const found: string[] = [];
  for (const { id, name, messages } of (await account.listMailboxes()).mailboxes) {
    if (messages === 0) continue;
    const { uids } = await account.columns(id, undefined);
    assert.equal(uids.length, messages);
    for (const { uid, bytes } of await account.readMessages(id, uids, 1e9)) {
      found.push(`${name}/${uid}: ${/Message-ID: <(.*?)>/.exec(Buffer.from(bytes!).toString())![1]}`);
    }
  }
  return found;
}

const whole = ['INBOX/1: a@test', 'INBOX/2: b@test', 'INBOX/4: large@test', 'Archive/1: a@test'];

test('a sound store has no findings', async () => {
  const opened = await filled();
  assert.deepEqual(await storeCheckFindings(opened, true), []);
  assert.deepEqual(await subjects(await opened.hosts.open(testAccountId)), whole);
});

const damages: readonly {
  letter: string;
  index: number;
  how: 'flip' | 'remove';
  after: readonly string[];
}[] = [
  { letter: '', index: 0, how: 'flip', after: whole },
  { letter: '', index: 0, how: 'remove', after: whole },
  { letter: 'b', index: 0, how: 'flip', after: whole },
  {
    letter: 'b',
    index: 5,
    how: 'remove',
    after: whole.map((line) => line.replace('Archive', 'Recovered 6')),
  },
  { letter: 's', index: 1, how: 'flip', after: whole },
  { letter: 'o', index: 0, how: 'flip', after: whole },
  { letter: 'm', index: 1, how: 'flip', after: whole.filter((line) => !line.startsWith('INBOX/2')) },
  { letter: 'm', index: 0, how: 'remove', after: whole.filter((line) => !line.startsWith('INBOX/1')) },
  { letter: 'e', index: 0, how: 'flip', after: whole },
  { letter: 'e', index: 1, how: 'remove', after: whole },
  { letter: 'e', index: 2, how: 'remove', after: whole.filter((line) => !line.includes('large')) },
  { letter: 'y', index: 0, how: 'flip', after: whole },
  { letter: 'y', index: 2, how: 'remove', after: whole },
  { letter: 'c', index: 0, how: 'flip', after: whole.filter((line) => !line.includes('a@test')) },
  { letter: 'c', index: 1, how: 'remove', after: whole.filter((line) => !line.includes('b@test')) },
  { letter: 'x', index: 0, how: 'flip', after: whole },
  { letter: 't', index: 0, how: 'flip', after: whole },
  { letter: 't', index: 0, how: 'remove', after: whole },
  { letter: 'w', index: 0, how: 'flip', after: whole },
  { letter: 'w', index: 0, how: 'remove', after: whole },
];

for (const { letter, index, how, after } of damages) {
  test(`${how === 'flip' ? 'a damaged' : 'a lost'} row ${letter}${index} is found and repaired`, async () => {
    const { engine, blobs, hosts } = await filled();
    await hosts.close();
    const { key, value } = (await rowsOf(engine, letter))[index]!;
    const flipped = Buffer.from(value);
    if (flipped.length > 6) flipped[flipped.length - 1]! ^= 1;
    else flipped[1]! ^= 1;
    await engine.commit(how === 'flip' ? { puts: [{ key, value: flipped }] } : { deletes: [key] });
    const opened = { ...(await openTestHosts({ engine, blobs, create: false })), engine, blobs };
    const before = await dump(engine);
    const seen = await storeCheckFindings(opened, false);
    assert.ok(seen.length > 0 && seen.every((line) => line.startsWith('reported: ')), seen.join('\n'));
    assert.deepEqual(await dump(engine), before);
    const repaired = await storeCheckFindings(opened, true);
    assert.ok(
      repaired.every((line) => !line.startsWith('reported: ')),
      repaired.join('\n'),
    );
    assert.deepEqual(await storeCheckFindings(opened, true), []);
    const account = await opened.hosts.open(testAccountId);
    assert.deepEqual(await subjects(account), after);
    // It goes on: what is new does not meet what was.
    const known = new Set(await emailIds(engine));
    const appended = await account.append({
      operation: newOperation(),
      target: { role: 'inbox' },
      messages: [newMessage()],
    });
    assert.ok(appended.uids[0]! > 4 && !known.has(appended.emailIds[0]!));
    assert.deepEqual(await storeCheckFindings(opened, true), []);
    await opened.hosts.close();
  });
}

async function emailIds(engine: Engine): Promise<number[]> {
  return (await rowsOf(engine, 'e')).map(({ key }) => decodeTuple(key)[3] as number);
}

test('a lost blob takes its message away, an unlinked one is linked again', async () => {
  const { engine, hosts } = await filled();
  await hosts.close();
  const links = await engine.page(tuplePrefixRange(['l']), { entriesMax: 10, bytesMax: 1e6 });
  await engine.commit({ deletes: links.entries.map(({ key }) => key) });
  // A new store of blobs, which has none.
  const blobs = openMemoryBlobStore(engine);
  const opened = { ...(await openTestHosts({ engine, blobs, create: false })), engine, blobs };
  const message = newMessage(large);
  await blobs.put(message.prepared.digest, message.prepared.bytes);
  assert.deepEqual(await storeCheckFindings(opened, true), ['repaired: the blob of email 4 was not linked']);
  assert.deepEqual(await storeCheckFindings(opened, true), []);
  const empty = { ...opened, blobs: openMemoryBlobStore(engine) };
  assert.deepEqual(await storeCheckFindings(empty, true), [
    'setAside: the bytes of email 4 are lost or damaged',
    'repaired: mailbox 1 counted wrong: messages, unseen, bytes',
    'repaired: the account counted wrong: bytesUsed, messagesUsed',
  ]);
  const account = await opened.hosts.open(testAccountId);
  assert.deepEqual(
    await subjects(account),
    whole.filter((line) => !line.includes('large')),
  );
});

test('records that are right in memory are written again where they are damaged on disk', async () => {
  const opened = await filled();
  const { engine } = opened;
  for (const letter of ['', 'b', 'o']) {
    const { key } = (await rowsOf(engine, letter))[0]!;
    await engine.commit({ puts: [{ key, value: Buffer.from('garbage') }] });
    assert.equal((await storeCheckFindings(opened, false)).length, 1, letter);
    assert.equal((await storeCheckFindings(opened, true)).length, 1, letter);
    assert.deepEqual(await storeCheckFindings(opened, true), [], letter);
  }
  await opened.hosts.close();
  const again = await openTestHosts({ ...opened, create: false });
  assert.deepEqual(await subjects(await again.hosts.open(testAccountId)), whole);
});

test('a summary that is lost or damaged does not keep a message from being listed', async () => {
  const { engine, hosts } = await filled();
  const account = await hosts.open(testAccountId);
  const { id } = (await account.findMailbox({ role: 'inbox' }))!;
  const uids = Uint32Array.of(1, 2, 4);
  const before = await account.readSummaries(id, uids, 1e6);
  const [first, second] = await rowsOf(engine, 'y');
  await engine.commit({ deletes: [first!.key], puts: [{ key: second!.key, value: Buffer.from('garbage') }] });
  const after = await account.readSummaries(id, uids, 1e6);
  assert.deepEqual(
    after.map(({ summary, threadId }) => [threadId, Buffer.from(summary!)]),
    before.map(({ summary, threadId }) => [threadId, Buffer.from(summary!)]),
  );
});

test('sessions go on during a check', async () => {
  const opened = await filled();
  const account = await opened.hosts.open(testAccountId);
  const { id } = (await account.findMailbox({ role: 'inbox' }))!;
  const appends: Promise<unknown>[] = [];
  for await (const _event of checkStore({ ...opened, clock: systemClock, log: silentLog, repair: true })) {
    appends.push(account.append({ operation: newOperation(), target: { id }, messages: [newMessage()] }));
  }
  await Promise.all(appends);
  assert.equal((await account.columns(id, undefined)).uids.length, 3 + appends.length);
  assert.deepEqual(await storeCheckFindings(opened, true), []);
});

test('a damaged search index goes, and is built again', async () => {
  const opened = await openTestHosts({ limits: { indexMessagesMin: 1 } });
  const account = await opened.hosts.host(testAccountId);
  const messages = [newMessage(messageText({ subject: 'needle' }))];
  const { mailboxId } = await account.append({
    operation: newOperation(),
    target: { role: 'inbox' },
    messages,
  });
  await account.settleIndex();
  assert.deepEqual(await storeCheckFindings(opened, false), []);
  const { start, end } = tuplePrefixRange(['a', testAccountId, 'i']);
  const rows = 1 + segmentSections.length;
  for (let at = 0; at < 2 * rows; at++) {
    // Its rows have other keys each time it is built.
    const { entries } = await opened.engine.page({ start, end }, { entriesMax: 100, bytesMax: 1e6 });
    assert.equal(entries.length, rows);
    const { key, value } = entries[at % rows]!;
    const damaged = Buffer.from(value);
    damaged[damaged.length - 1]! ^= 1;
    await opened.engine.commit(at < rows ? { puts: [{ key, value: damaged }] } : { deletes: [key] });
    assert.equal((await storeCheckFindings(opened, false)).length, 1);
    assert.equal((await storeCheckFindings(opened, true)).length, 1);
    assert.deepEqual(await storeCheckFindings(opened, false), []);
    await account.settleIndex();
    assert.equal(account.indexLag, 0);
    const found = await account.search(mailboxId, { type: 'header', field: 'subject', text: 'needle' });
    assert.deepEqual([...found], [1]);
  }
  await opened.hosts.close();
});
