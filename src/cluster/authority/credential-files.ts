// What a node keeps of its cluster in its data directory, readable by its owner only: its credentials, and what it was
// told when it joined. Files are replaced whole; one that cannot be read is a Fault that says what to do.
// The key is written before joining (pending.key): a node that crashed while it joined comes back as the same one.

import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Fault } from '../../base/fault.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { makeKey } from './certificates.ts';
import type { JoinedCluster } from './join-cluster.ts';
import { type NodePlace, nodePlaceSchema } from './join-protocol.ts';
import { parseNodeName } from './node-name.ts';

const folder = 'cluster';
const node = z.string().transform((text, context) => {
  const name = parseNodeName(text);
  if (name !== undefined) return name;
  context.addIssue('no name of a node');
  return z.NEVER;
});
const credentialsSchema = z.object({
  node,
  authorities: z.array(z.string()).min(1),
  certificate: z.string(),
  key: z.string(),
});
const joinedSchema = z.object({
  cluster: z.string(),
  roles: z.array(z.enum(['frontend', 'mx', 'backend'])),
  zone: z.string(),
  storage: z.record(z.string(), z.unknown()).optional(),
  nodes: z.array(nodePlaceSchema).optional(),
});

export type JoinedSettings = Omit<JoinedCluster, 'credentials'>;

/** Undefined when this node is of no cluster. */
export async function loadCredentials(directory: string): Promise<LinkCredentials | undefined> {
  return load(directory, 'credentials.json', credentialsSchema);
}

export async function saveCredentials(directory: string, credentials: LinkCredentials): Promise<void> {
  await save(directory, 'credentials.json', JSON.stringify(credentials, null, 2));
}

export async function loadJoined(directory: string): Promise<JoinedSettings | undefined> {
  return load(directory, 'joined.json', joinedSchema) as Promise<JoinedSettings | undefined>;
}

/** Keeps all of it; the credentials last, because they are what says that this node has joined. */
export async function saveJoined(directory: string, joined: JoinedCluster): Promise<void> {
  const { credentials, ...settings } = joined;
  await save(directory, 'joined.json', JSON.stringify(settings, null, 2));
  await saveCredentials(directory, credentials);
  await rm(join(directory, folder, 'pending.key'), { force: true });
}

/** The nodes that a node of the outer zone asks, as they were known last. */
export async function loadNodePlaces(directory: string): Promise<readonly NodePlace[]> {
  return (await load(directory, 'nodes.json', z.array(nodePlaceSchema))) ?? [];
}

export async function saveNodePlaces(directory: string, places: readonly NodePlace[]): Promise<void> {
  await save(directory, 'nodes.json', JSON.stringify(places, null, 2));
}

/** The key to join with: the one of an earlier try, if there was one. */
export async function pendingKey(directory: string): Promise<string> {
  const kept = await read(directory, 'pending.key');
  if (kept !== undefined) return kept;
  const key = makeKey();
  await save(directory, 'pending.key', key);
  return key;
}

async function read(directory: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, folder, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Fault(`cannot read ${join(directory, folder, name)}`, { temporary: false, cause: error });
  }
}

async function load<Schema extends z.ZodType>(
  directory: string,
  name: string,
  schema: Schema,
): Promise<z.output<Schema> | undefined> {
  const text = await read(directory, name);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const way = 'restore it, or remove it and join again under another name';
    throw new Fault(`${join(directory, folder, name)} is damaged; ${way}`, { temporary: false, cause });
  }
}

async function save(directory: string, name: string, text: string): Promise<void> {
  const place = join(directory, folder);
  await mkdir(place, { recursive: true, mode: 0o700 });
  const file = await open(join(place, `${name}.new`), 'w', 0o600);
  try {
    await file.chmod(0o600); // a leftover of another mode keeps it
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(join(place, `${name}.new`), join(place, name));
  const parent = await open(place, 'r');
  await parent.sync().finally(() => parent.close());
}
