// Measures searching, sorting and threading on the account host with the embedded engine: 10,000 messages of the mix,
// indexed, first use after opening and warm. `node bench/search.ts`. Prints a table.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { readOptions, wholeNumber } from '../scripts/read-options.ts';
import { type AccountHosts, openAccountHosts } from '../src/account/account-hosts.ts';
import { prepareMessage } from '../src/account/prepare.ts';
import { AccountKeys } from '../src/account/records/account-keys.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { acquireAllShards } from '../src/cluster/local-shards.ts';
import type { AccountId, OperationId } from '../src/mail/ids.ts';
import type { SearchKey } from '../src/mail/search-key.ts';
import { openFilesystemBlobStore } from '../src/storage/blobs/filesystem-blob-store.ts';
import { openLmdbEngine } from '../src/storage/lmdb/lmdb-engine.ts';
import { messageStream } from './message-mix.ts';
import { medianOf, timeOf } from './statistics.ts';

const clock = systemClock;
const { messages, ...options } = readOptions<{ readonly directory: string; readonly messages: number }>(
  new Command('node bench/search.ts')
    .description(
      'Measures searching, sorting and threading on the account host with the embedded engine: first use after opening, and warm.',
    )
    .option('--directory <dir>', 'the disk to measure on', tmpdir())
    .option('--messages <n>', 'of the mix of sizes, in the mailbox', wholeNumber(1), 10_000),
);
const directory = mkdtempSync(join(options.directory, 'rookery-bench-search-'));
const engine = await openLmdbEngine({ directory, log: silentLog, clock });
const blobs = await openFilesystemBlobStore({
  engine,
  directory: join(directory, 'blobs'),
  clock,
  log: silentLog,
  compression: { level: 3 },
});
const shards = await acquireAllShards(engine);
const open = (): AccountHosts => openAccountHosts({ engine, blobs, shards, clock, log: silentLog });
const accountId = 'benchaccount0000' as AccountId;
const all: SearchKey = { type: 'all' };

async function indexBytes(): Promise<number> {
  const { start, end } = new AccountKeys(accountId).rows('i');
  const page = await engine.page({ start, end }, { entriesMax: 10_000, bytesMax: 1e9 });
  return page.entries.reduce((sum, { value }) => sum + value.length, 0);
}

let hosts = open();
try {
  await hosts.create(accountId);
  const account = await hosts.host(accountId);
  const stream = messageStream('mix', 7);
  let appended = 0;
  const client = async (): Promise<void> => {
    for (; appended < messages; ) {
      const number = appended++;
      const prepared = await prepareMessage(stream.next().value as Buffer, { clock });
      const operation = `bench-${number}` as OperationId;
      const target = { role: 'inbox' } as const;
      await account.append({
        operation,
        target,
        messages: [{ prepared, flags: [], internalDate: undefined }],
      });
    }
  };
  const fillMs = await timeOf(() => Promise.all(Array.from({ length: 20 }, client)));
  console.log(`filled with ${messages} in ${fillMs.toFixed(0)} ms, not indexed yet: ${account.indexLag}`);
  const indexMs = await timeOf(() => account.settleIndex());
  console.log(`indexed the rest in ${indexMs.toFixed(0)} ms; the index has ${(await indexBytes()) / 1e6} MB`);
  const { info } = await account.openMailbox({ role: 'inbox' }, { claimRecent: false });
  const header = (field: string, text: string): SearchKey => ({ type: 'header', field, text });
  const body = (text: string): SearchKey => ({ type: 'body', text });
  const works: Record<string, (account: Awaited<ReturnType<AccountHosts['host']>>) => Promise<unknown>> = {
    'SEARCH SUBJECT': (port) => port.search(info.id, header('subject', 'school')),
    'SEARCH FROM': (port) => port.search(info.id, header('from', 'sender 7')),
    'SEARCH BODY, a word of many': (port) => port.search(info.id, body('school')),
    'SEARCH BODY, two words of many': (port) => port.search(info.id, body('great school')),
    'SEARCH BODY, nowhere': (port) => port.search(info.id, body('nowhere-to-be-found')),
    'SEARCH TEXT, one': (port) => port.search(info.id, { type: 'text', text: '4711' }),
    'SORT REVERSE DATE': (port) =>
      port.sort(info.id, {
        key: all,
        criteria: [{ field: 'date', reverse: true }],
        favoured: undefined,
      }),
    'SORT SUBJECT': (port) =>
      port.sort(info.id, {
        key: all,
        criteria: [{ field: 'subject', reverse: false }],
        favoured: undefined,
      }),
    'THREAD REFERENCES': (port) => port.thread(info.id, { key: all, algorithm: 'references' }),
  };
  for (const [name, work] of Object.entries(works)) {
    await hosts.close();
    hosts = open();
    const port = await hosts.host(accountId);
    await port.columns(info.id, undefined);
    const firstMs = await timeOf(() => work(port));
    const warmMs = await medianOf(7, () => timeOf(() => work(port)));
    console.log(`${name}: first ${firstMs.toFixed(1)} ms, warm ${warmMs.toFixed(2)} ms`);
  }
} finally {
  await hosts.close();
  await blobs.close();
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
}
