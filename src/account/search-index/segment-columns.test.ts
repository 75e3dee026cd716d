// Header columns are read one by one, while segments come and go: damaged, of an older version, or put together with others
// between two reads, they must not change what is found.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MailboxId } from '../../mail/ids.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LocalAccount } from '../local-account.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { openTestHosts, testAccountId } from '../testing.ts';
import { headerColumnNames } from './header-columns.ts';
import { packColumns, unpackColumns } from './packed-columns.ts';
import { unpackDirectory } from './segment-directory.ts';
import { headersSection, segmentSections, termsSection } from './segment-reader.ts';
import { deliver } from './testing-scan.ts';

const keys = new AccountKeys(testAccountId);
const limits = { indexMessagesMin: 1 };

const messages = ['b', 'c', 'a', 'c', 'd'].map((subject, at) =>
  Buffer.from(
    `From: ${subject}${at} <${subject}@x.test>\r\nTo: t${9 - at}@x.test\r\nSubject: Re: ${subject}\r\n` +
      `Message-ID: <${at}@x.test>\r\n${at === 4 ? 'In-Reply-To: <0@x.test>\r\n' : ''}` +
      `Date: Sun, ${9 - at} Mar 2026 12:00:00 +0000\r\n\r\nneedle\r\n`,
  ),
);

/** What all kinds of questions give that are answered from header columns. */
async function answers(account: LocalAccount, inbox: MailboxId): Promise<Record<string, number[]>> {
  const all = { type: 'all' } as const;
  const found: Record<string, number[]> = {};
  for (const [field, text] of [
    ['subject', 'c'],
    ['from', 'b0'],
    ['to', 't8'],
    ['cc', ''],
    ['bcc', ''],
  ] as const)
    found[field] = [...(await account.search(inbox, { type: 'header', field, text }))];
  const day = Date.UTC(2026, 2, 8) / 86_400_000;
  found.day = [...(await account.search(inbox, { type: 'date', of: 'sent', compare: 'on', day }))];
  found.thread = [...(await account.search(inbox, { type: 'threadId', threadId: 1 }))];
  for (const field of ['subject', 'from', 'to', 'cc', 'displayFrom', 'displayTo', 'date'] as const) {
    const criteria = [{ field, reverse: true }];
    found[`by ${field}`] = [...(await account.sort(inbox, { key: all, criteria, favoured: undefined }))];
  }
  found.threads = [...(await account.thread(inbox, { key: all, algorithm: 'references' }))];
  return found;
}

test('each header column that is damaged counts as none', async () => {
  const opened = await openTestHosts({ limits });
  const account = await opened.hosts.host(testAccountId);
  const inbox = await deliver(account, messages);
  const expected = await answers(account, inbox);
  assert.deepEqual(expected.subject, [2, 4]);
  assert.deepEqual(expected['by subject'], [5, 2, 4, 1, 3]);
  assert.deepEqual(expected['by date'], [1, 2, 3, 4, 5]);
  assert.deepEqual(expected.threads, [0, 0, 1, 4, 1, 2, 0, 3, 0, 1, 1, 5]);
  await account.settleIndex();
  assert.deepEqual(await answers(account, inbox), expected);
  await opened.hosts.close();
  for (const [index, name] of headerColumnNames.entries()) {
    const key = keys.searchSegment(1, headersSection + index);
    const sound = (await opened.engine.get(key))!;
    const value = Buffer.from(sound);
    value[value.length - 1]! ^= 1;
    await opened.engine.commit({ puts: [{ key, value }] });
    const { engine, blobs } = opened;
    const again = await openTestHosts({ engine, blobs, limits, create: false });
    const account = await again.hosts.host(testAccountId);
    assert.deepEqual(await answers(account, inbox), expected, name);
    await again.hosts.close();
    await opened.engine.commit({ puts: [{ key, value: sound }] });
  }
});

/** Does something once before `key` is read together with others. */
function beforeReading(
  engine: Engine,
  key: Bytes,
): { engine: Engine; once: (work: () => Promise<void>) => void } {
  let waiting: (() => Promise<void>) | undefined;
  const getMany: Engine['getMany'] = async (asked) => {
    const work = asked.some((one) => Buffer.compare(one, key) === 0) ? waiting : undefined;
    if (work !== undefined) waiting = undefined;
    await work?.();
    return engine.getMany(asked);
  };
  const wrapped = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'getMany') return getMany;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { engine: wrapped, once: (work) => (waiting = work) };
}

test('segments that are put together between two reads of a question', async () => {
  const section = headersSection + headerColumnNames.indexOf('order subject');
  const { engine, once } = beforeReading(openMemoryEngine(), keys.searchSegment(1, section));
  // Nothing is kept: every column is read.
  const opened = await openTestHosts({ engine, limits: { ...limits, searchMemoryBytesMax: 0 } });
  const account = await opened.hosts.host(testAccountId);
  let inbox = 0 as MailboxId;
  for (const subject of ['g', 'b', 'd', 'a', 'f', 'c', 'e']) {
    inbox = await deliver(account, [Buffer.from(`Subject: ${subject}\r\n\r\n`)]);
    await account.settleIndex();
  }
  const sorted = async (): Promise<number[]> => [
    ...(await account.sort(inbox, {
      key: { type: 'all' },
      criteria: [{ field: 'subject', reverse: false }],
      favoured: undefined,
    })),
  ];
  assert.deepEqual(await sorted(), [4, 2, 6, 3, 7, 5, 1]);
  await deliver(account, [Buffer.from('Subject: aa\r\n\r\n')]);
  let merged = 0;
  once(async () => {
    await account.settleIndex();
    merged = unpackDirectory((await engine.get(keys.searchDirectory()))!).segments.length;
  });
  assert.deepEqual(await sorted(), [4, 8, 2, 6, 3, 7, 5, 1]);
  assert.equal(merged, 1);
  await opened.hosts.close();
});

test('an index of an older version is built again, and its rows go', async () => {
  const opened = await openTestHosts({ limits });
  const account = await opened.hosts.host(testAccountId);
  const inbox = await deliver(account, messages);
  await account.settleIndex();
  const expected = await answers(account, inbox);
  await opened.hosts.close();
  const { engine, blobs } = opened;
  const [column] = unpackColumns((await engine.get(keys.searchDirectory()))!);
  const [, indexedThrough, , , ...segment] = JSON.parse(String(column)) as number[];
  const older = [1, indexedThrough, 8, 7, ...segment];
  const { start, end } = keys.rows('i');
  const { entries } = await engine.page({ start, end }, { entriesMax: 100, bytesMax: 1e6 });
  await engine.commit({
    puts: [
      { key: keys.searchDirectory(), value: packColumns([Buffer.from(JSON.stringify(older))]) },
      { key: keys.searchSegment(7, termsSection), value: Buffer.from('of another form') },
    ],
    deletes: entries.map(({ key }) => key).filter((key) => Buffer.compare(key, keys.searchDirectory()) !== 0),
  });
  const again = await openTestHosts({ engine, blobs, limits, create: false });
  const other = await again.hosts.host(testAccountId);
  assert.deepEqual(await answers(other, inbox), expected);
  await other.settleIndex();
  assert.deepEqual(await answers(other, inbox), expected);
  const { segments } = unpackDirectory((await engine.get(keys.searchDirectory()))!);
  assert.deepEqual(
    segments.map(({ number, messages: count }) => [number, count]),
    [[8, messages.length]],
  );
  const rows = await engine.page({ start, end }, { entriesMax: 100, bytesMax: 1e6 });
  assert.equal(rows.entries.length, 1 + segmentSections.length);
  await again.hosts.close();
});
