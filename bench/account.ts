// Measures the account host on the embedded engine: deliveries, opening a mailbox cold and warm, the primitives that
// sessions live on. `node bench/account.ts`. Prints a table; the figures depend on the disk's flush.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { readOptions } from '../scripts/read-options.ts';
import { openAccountHosts } from '../src/account/account-hosts.ts';
import type { AccountPort } from '../src/account/port.ts';
import { prepareSmallMessage } from '../src/account/prepare.ts';
import { messageText, openMemoryBlobStore } from '../src/account/testing.ts';
import { systemClock } from '../src/base/clock.ts';
import { silentLog } from '../src/base/log.ts';
import { acquireAllShards } from '../src/cluster/local-shards.ts';
import type { AccountId, ModSeq, OperationId } from '../src/mail/ids.ts';
import { openLmdbEngine } from '../src/storage/lmdb/lmdb-engine.ts';
import { timeOf } from './statistics.ts';

const options = readOptions<{ readonly directory: string }>(
  new Command('node bench/account.ts')
    .description(
      'Measures the account host on the embedded engine: deliveries, a mailbox opened cold and warm, the primitives that sessions ' +
        'live on. Takes minutes; the figures depend on how fast the disk flushes.',
    )
    .option('--directory <dir>', 'the disk to measure on', tmpdir()),
);
const directory = mkdtempSync(join(options.directory, 'rookery-bench-account-'));
const clock = systemClock;
const engine = await openLmdbEngine({ directory, log: silentLog, clock });
const open = async () =>
  openAccountHosts({
    engine,
    blobs: openMemoryBlobStore(engine),
    shards: await acquireAllShards(engine),
    clock,
    log: silentLog,
  });
let hosts = await open();
const body = 'A line of text as people write them, about seventy characters long.\r\n'.repeat(52);
const rows: { what: string; figure: string; unit: string }[] = [];
let operations = 0;
const operation = () => `bench-${++operations}` as OperationId;

function report(what: string, value: number, unit: string): void {
  rows.push({ what, figure: value >= 100 ? value.toFixed(0) : value.toFixed(2), unit });
}

function text(index: number): Buffer {
  return messageText({ subject: `Report ${index}`, id: `${index}@bench.test`, body });
}

/** `clients` deliver one after the other each, spread over the accounts. */
async function deliver(accounts: readonly AccountPort[], clients: number, count: number): Promise<number> {
  let next = 0;
  const client = async (index: number): Promise<void> => {
    while (next < count) {
      const prepared = prepareSmallMessage(text(next++));
      await accounts[index % accounts.length]!.append({
        operation: operation(),
        target: { role: 'inbox' },
        messages: [{ prepared, flags: [], internalDate: undefined }],
      });
    }
  };
  const ms = await timeOf(() => Promise.all(Array.from({ length: clients }, (_, index) => client(index))));
  return (count * 1000) / ms;
}

const sample = text(0);
for (let round = 0; round < 2000; round++) prepareSmallMessage(sample);
const prepareMs = await timeOf(async () => {
  for (let round = 0; round < 5000; round++) prepareSmallMessage(sample);
});
report(`prepare a message of ${sample.length} bytes`, (prepareMs * 1000) / 5000, 'µs');

const ports: AccountPort[] = [];
for (let index = 0; index < 10; index++) {
  const accountId = `benchaccount000${index}` as AccountId;
  await hosts.create(accountId);
  ports.push(await hosts.open(accountId));
}
await deliver(ports.slice(0, 1), 10, 2000);
report('append 4 KB, 1 account, 1 client', await deliver(ports.slice(0, 1), 1, 1000), '/s');
report('append 4 KB, 1 account, 10 clients', await deliver(ports.slice(0, 1), 10, 7000), '/s');
report('append 4 KB, 10 accounts, 10 clients', await deliver(ports, 10, 10000), '/s');
report('append 4 KB, 10 accounts, 50 clients', await deliver(ports, 50, 10000), '/s');

await hosts.close();
hosts = await open();
const account = await hosts.open('benchaccount0000' as AccountId);
let inbox = await account.openMailbox({ role: 'inbox' }, { claimRecent: false });
await hosts.close();
hosts = await open();
const cold = await hosts.host('benchaccount0000' as AccountId);
const coldMs = await timeOf(async () => {
  inbox = await cold.openMailbox({ role: 'inbox' }, { claimRecent: operation() });
});
const { id } = inbox.info;
report(`open a mailbox of ${inbox.uids.length}, cold`, coldMs, 'ms');
const rounds = 200;
const repeat = async (what: string, work: () => Promise<unknown>): Promise<void> => {
  const ms = await timeOf(async () => {
    for (let round = 0; round < rounds; round++) await work();
  });
  report(what, (ms * 1000) / rounds, 'µs');
};
await repeat('open it, warm', () => cold.openMailbox({ role: 'inbox' }, { claimRecent: operation() }));
await repeat('columns of all', () => cold.columns(id, undefined));
await repeat('changes since the last mod-sequence', () => cold.changesSince(id, inbox.info.highestModSeq));
await repeat('changes since the one before', () =>
  cold.changesSince(id, (inbox.info.highestModSeq - 1) as ModSeq),
);
await repeat('changes since the beginning', () => cold.changesSince(id, 0 as ModSeq));
for (const run of ['first', 'again']) {
  const ms = await timeOf(async () => {
    for (let at = 0; at < inbox.uids.length; ) {
      at += (await cold.readSummaries(id, inbox.uids.subarray(at), 1 << 20)).length;
    }
  });
  report(`summaries of all, ${run}`, ms, 'ms');
}
const readMs = await timeOf(async () => {
  for (let at = 0; at < inbox.uids.length; ) {
    at += (await cold.readMessages(id, inbox.uids.subarray(at), 1 << 20)).length;
  }
});
report('bytes of all', ((inbox.info.bytes / readMs) * 1000) / 1e6, 'MB/s');
const flag = async (mode: 'add' | 'remove') =>
  cold.storeFlags({
    operation: operation(),
    mailboxId: id,
    uids: inbox.uids,
    mode,
    flags: ['\\Seen'],
    unchangedSince: undefined,
  });
report('flag all', await timeOf(() => flag('add')), 'ms');
let longest = 0;
let watching = true;
const watch = (async () => {
  while (watching) {
    const start = clock.monotonic();
    await clock.yieldTurn();
    longest = Math.max(longest, clock.monotonic() - start);
  }
})();
let archive = id;
report(
  'copy all',
  await timeOf(async () => {
    const to = { role: 'archive' } as const;
    archive = (await cold.copy({ operation: operation(), from: id, uids: inbox.uids, to, move: false })).to;
  }),
  'ms',
);
report(
  'move all',
  await timeOf(() =>
    cold.copy({ operation: operation(), from: id, uids: inbox.uids, to: { role: 'trash' }, move: true }),
  ),
  'ms',
);
report(
  'header search',
  await timeOf(() => cold.search(archive, { type: 'header', field: 'subject', text: 'report 77' })),
  'ms',
);
report(
  'body search',
  await timeOf(() => cold.search(archive, { type: 'body', text: 'nowhere to be found' })),
  'ms',
);
const trash = await cold.openMailbox({ role: 'trash' }, { claimRecent: false });
report(
  'expunge all',
  await timeOf(() =>
    cold.expunge({ operation: operation(), mailboxId: trash.info.id, uids: undefined, anyFlags: true }),
  ),
  'ms',
);
watching = false;
await watch;
report('longest turn of the event loop in these', longest, 'ms');
console.table(rows);
await hosts.close();
await engine.close();
rmSync(directory, { recursive: true });
