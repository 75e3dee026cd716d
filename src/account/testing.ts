// What tests of accounts need: a blob store in memory, hosts over any engine, messages, and an engine that fails when told.
// Not part of the program; a test may import it, nothing else does.

import { assert } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import { silentLog } from '../base/log.ts';
import type { AccountId, Epoch, OperationId } from '../mail/ids.ts';
import type { BlobStore } from '../storage/blobs/blob-store.ts';
import type { Batch, CommitResult, Engine } from '../storage/engine.ts';
import { raiseEpoch } from '../storage/fence.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import { type AccountHosts, openAccountHosts } from './account-hosts.ts';
import type { AccountLimits } from './account-limits.ts';
import { checkStore, type StoreCheckEvent } from './check/store-check.ts';
import type { NewMessage } from './port.ts';
import { prepareSmallMessage } from './prepare.ts';
import { shardCount } from './shard.ts';
import type { People } from './sharing/people.ts';

export const testAccountId = 'aaaabbbbccccdddd' as AccountId;

let operations = 0;
/** An operation id nobody used. */
export function newOperation(): OperationId {
  return `test-${++operations}` as OperationId;
}

/** Blobs in a map, links as rows of the engine. */
export function openMemoryBlobStore(engine: Engine): BlobStore {
  const blobs = new Map<string, Uint8Array>();
  const name = (digest: Uint8Array) => Buffer.from(digest).toString('hex');
  const linkKey = (digest: Uint8Array, holder: string) => encodeTuple(['l', digest, holder]);
  const links = async (digest: Uint8Array) => {
    const range = tuplePrefixRange(['l', digest]);
    return (await engine.page(range, { entriesMax: 1000, bytesMax: 1e6 })).entries.length;
  };
  const store: BlobStore = {
    put: async (digest, bytes) => {
      blobs.set(name(digest), Buffer.from(bytes));
    },
    link: async (digest, holder) => ({
      puts: [{ key: linkKey(digest, holder), value: Buffer.alloc(0) }],
      conditions: [],
    }),
    unlink: (digest, holder) => [linkKey(digest, holder)],
    dropped: () => {},
    read: async (digest, offset, length) => blobs.get(name(digest))?.subarray(offset, offset + length),
    verify: async (digest) => (blobs.has(name(digest)) ? 'sound' : 'missing'),
    async *list() {
      for (const [hex, bytes] of blobs) {
        const digest = Buffer.from(hex, 'hex');
        yield { digest, bytes: bytes.length, links: await links(digest) };
      }
    },
    async collect() {
      let removed = 0;
      let bytes = 0;
      for (const [hex, blob] of blobs) {
        if ((await links(Buffer.from(hex, 'hex'))) > 0) continue;
        blobs.delete(hex);
        removed++;
        bytes += blob.length;
      }
      return { removed, bytes };
    },
    statistics: () => ({ blobs: blobs.size, bytes: 0, bytesStored: 0 }),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return store;
}

export interface TestHosts {
  readonly hosts: AccountHosts;
  readonly engine: Engine;
  readonly blobs: BlobStore;
}

/** Hosts over an engine (memory by default) whose shards are all at epoch 1, with one account. */
export async function openTestHosts(
  options: {
    engine?: Engine;
    blobs?: BlobStore;
    limits?: Partial<AccountLimits>;
    clock?: Clock;
    create?: boolean;
    people?: People;
  } = {},
): Promise<TestHosts> {
  const engine = options.engine ?? openMemoryEngine();
  const blobs = options.blobs ?? openMemoryBlobStore(engine);
  const puts = Array.from(
    { length: shardCount },
    (_, shard) => raiseEpoch(shard as never, undefined, 1 as Epoch).put,
  );
  await engine.commit({ puts });
  const hosts = openAccountHosts({
    engine,
    blobs,
    shards: { epochOf: () => 1 as Epoch },
    clock: options.clock ?? systemClock,
    log: silentLog,
    limits: options.limits ?? {},
    ...(options.people && { people: options.people }),
  });
  if (options.create !== false) await hosts.create(testAccountId);
  return { hosts, engine, blobs };
}

/** What is known of the test account is read again when it is next asked for. What is under way ends first. */
export async function unloadAccount(hosts: AccountHosts): Promise<void> {
  const { writer } = await hosts.host(testAccountId);
  while (writer.busy) await systemClock.nextTurn();
  writer.unload();
}

export function messageText(
  options: { subject?: string; id?: string; references?: string; body?: string; from?: string } = {},
): Buffer {
  const lines = [
    `From: ${options.from ?? 'Ann <ann@example.test>'}`,
    'To: bob@example.test',
    `Subject: ${options.subject ?? 'Hello'}`,
    'Date: Thu, 5 Mar 2026 10:00:00 +0100',
  ];
  if (options.id !== undefined) lines.push(`Message-ID: <${options.id}>`);
  if (options.references !== undefined) lines.push(`References: <${options.references}>`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${options.body ?? 'Text of the message.'}\r\n`);
}

export function newMessage(
  text: Uint8Array | string = messageText(),
  flags: readonly string[] = [],
): NewMessage {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return { prepared: prepareSmallMessage(bytes), flags, internalDate: undefined };
}

/** What a commit does instead of working. */
export type CommitFault = 'rejected' | 'unknownApplied' | 'unknownDropped' | 'storageFull' | undefined;

/** The engine with a say in every commit: faults as a broken disk or a lost database would give them. */
export function failingEngine(
  engine: Engine,
  next: (batch: Batch) => CommitFault | Promise<CommitFault>,
  full: () => Error,
): Engine {
  return new Proxy(engine, {
    get(target, property) {
      if (property !== 'commit') {
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (batch: Batch): Promise<CommitResult> => {
        const fault = await next(batch);
        if (fault === undefined) return target.commit(batch);
        if (fault === 'storageFull') throw full();
        if (fault === 'unknownApplied') await target.commit(batch);
        throw new Fault(`injected: ${fault}`, { temporary: true });
      };
    },
  });
}

/** What a store check to its end says of each finding. */
export async function storeCheckFindings(
  { engine, blobs, hosts }: TestHosts,
  repair: boolean,
): Promise<string[]> {
  const findings: string[] = [];
  let last: StoreCheckEvent | undefined;
  const options = { engine, blobs, hosts, clock: systemClock, log: silentLog, repair };
  for await (const event of checkStore(options)) {
    if (event.type === 'finding') findings.push(`${event.action}: ${event.what}`);
    last = event;
  }
  assert(last?.type === 'done', 'the check did not come to its end');
  return findings;
}
