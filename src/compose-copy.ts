// `rookery store copy`: opens the two stores that are named, makes sure that nobody uses them, and copies.
//
// Invariant: a store that a server uses is neither read nor written: LMDB's directory is locked while it is open here; of one
// in PostgreSQL nobody may hold connections, and no node may renew its row. Nothing is made where a source is looked for.
// Fails with Fault, MailError('invalidArgument') for what is asked wrongly.

import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { systemClock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import { type Logger, openLog } from './base/log.ts';
import { loadCredentials } from './cluster/authority/credential-files.ts';
import { clusterRange, decodeNode, isPresent } from './cluster/membership/cluster-rows.ts';
import { memberTimesDefault } from './cluster/membership/member-times.ts';
import { MailError } from './mail/mail-error.ts';
import type { StoreCopyOutcome, StoreCopyRequest } from './operator/store-copying.ts';
import { openCopiedBlobs } from './storage/copy/copied-blobs.ts';
import { copyStore } from './storage/copy/copy-store.ts';
import type { Engine } from './storage/engine.ts';
import { openLmdbEngine } from './storage/lmdb/lmdb-engine.ts';
import { openPostgresEngine } from './storage/postgres/postgres-engine.ts';
import { checkPostgresIdle } from './storage/postgres/postgres-idle.ts';
import { decodeTuple } from './storage/tuple.ts';

const clock = systemClock;
/** A cell has fewer nodes than that. */
const rowsMax = { entriesMax: 10_000, bytesMax: 64 * 1024 * 1024 };

interface StorePlace {
  readonly engine: 'lmdb' | 'postgres';
  /** Of LMDB: the server's data directory. */
  readonly data?: string;
  readonly url?: string;
}

export async function copyStores(request: StoreCopyRequest): Promise<StoreCopyOutcome> {
  const from = parsePlace(request.from, '--from');
  const to = parsePlace(request.to, '--to');
  if (JSON.stringify(from) === JSON.stringify(to))
    throw new MailError('invalidArgument', '--from and --to are the same store');
  if (from.data !== undefined && !existsSync(join(from.data, 'store', 'data.mdb')))
    throw new Fault(`there is no store in ${from.data}: is that the data directory?`, { temporary: false });
  const log = openLog({ level: 'warn', pretty: true });
  await using source = await openPlace(from, log);
  if (from.engine === 'postgres') await checkNoNodeRuns(source);
  if (to.data !== undefined) mkdirSync(to.data, { recursive: true, mode: 0o700 });
  await using target = await openPlace(to, log);
  const targetDirectory = targetBlobs(request, to);
  await using blobs = await openCopiedBlobs({
    source,
    sourceDirectory: sourceBlobs(request, from),
    target,
    targetDirectory,
    clock,
  });
  const { skipDamaged, progress } = request;
  const blobsTo = targetDirectory ?? 'engine';
  const result = await copyStore({ source, target, blobs, blobsTo, skipDamaged, progress });
  return { ...result, configuration: configurationOf(to, targetDirectory), nodes: await nodesOf(from, to) };
}

function parsePlace(text: string, option: string): StorePlace {
  if (/^postgres(?:ql)?:\/\//.test(text)) return { engine: 'postgres', url: text };
  const match = /^lmdb:(.+)$/.exec(text);
  if (match !== null) return { engine: 'lmdb', data: resolve(match[1]!) };
  const forms = '"lmdb:DIR", where DIR is a data directory, or "postgres://user@host/database"';
  throw new MailError('invalidArgument', `${option}: expected ${forms}, found "${text}"`);
}

async function openPlace({ data, url }: StorePlace, log: Logger): Promise<Engine> {
  if (data !== undefined) return await openLmdbEngine({ directory: join(data, 'store'), log, clock });
  await checkPostgresIdle({ url: url!, clock });
  return await openPostgresEngine({ url: url!, log, clock });
}

/** Undefined: they are in the engine. */
function sourceBlobs({ fromBlobs }: StoreCopyRequest, { data }: StorePlace): string | undefined {
  if (fromBlobs !== undefined) return resolve(fromBlobs);
  const directory = data === undefined ? undefined : join(data, 'blobs');
  return directory !== undefined && existsSync(directory) ? directory : undefined;
}

function targetBlobs({ toBlobs }: StoreCopyRequest, { data }: StorePlace): string | undefined {
  if (toBlobs === 'engine') return undefined;
  if (toBlobs !== undefined) return resolve(toBlobs);
  return data === undefined ? undefined : join(data, 'blobs');
}

/** Nodes that crashed have rows as well: one that runs changes its own within its lease. */
async function checkNoNodeRuns(engine: Engine): Promise<void> {
  const before = await presentNodes(engine);
  if (before.size === 0) return;
  await clock.sleep(memberTimesDefault.leaseMs);
  for (const [node, beat] of await presentNodes(engine)) {
    if (before.get(node) !== beat)
      throw new Fault(`node ${node} runs on the store that is to be copied: stop all nodes`, {
        temporary: false,
      });
  }
}

async function presentNodes(engine: Engine): Promise<Map<string, string>> {
  const beats = new Map<string, string>();
  for (const { key, value } of (await engine.page(clusterRange, rowsMax)).entries) {
    const [, table] = decodeTuple(key);
    if (table !== 'node') continue;
    const row = decodeNode(value);
    if (isPresent(row)) beats.set(row.node, `${row.incarnation} ${row.beat}`);
  }
  return beats;
}

function configurationOf(to: StorePlace, directory: string | undefined): StoreCopyOutcome['configuration'] {
  const isDefault = to.data === undefined ? directory === undefined : directory === join(to.data, 'blobs');
  const blobs: Record<string, string> = isDefault
    ? {}
    : directory === undefined
      ? { blobs: 'engine' }
      : { blobs: 'directory', blob_directory: directory };
  if (to.data !== undefined) return { data: to.data, storage: { engine: 'lmdb', ...blobs } };
  return { storage: { engine: 'postgres', url: withoutPassword(to.url!), ...blobs } };
}

function withoutPassword(url: string): string {
  return url
    .replace(/^([^:]+:\/\/[^/?#@:]*):[^/?#]*@/, '$1:***@')
    .replaceAll(/([?&](?:ssl)?password=)[^&#]*/g, '$1***');
}

async function nodesOf(...places: readonly StorePlace[]): Promise<string[]> {
  const nodes: string[] = [];
  for (const { data } of places)
    if (data !== undefined && (await loadCredentials(data)) !== undefined) nodes.push(data);
  return nodes;
}
