// A frontend of the outer zone beside a cluster under test, and a thief who has everything on its disk.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { loadCredentials } from '../../src/cluster/authority/credential-files.ts';
import type { LinkCredentials } from '../../src/cluster/link-credentials.ts';
import { LinkPool } from '../../src/cluster/links/link-pool.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import { NodeProcess } from './node-process.ts';

export interface OuterNodeOptions {
  readonly name: string;
  readonly host: string;
  readonly data: string;
  /** Default: frontend and mx. */
  readonly roles?: readonly string[];
  readonly settings?: readonly string[];
  /** See ServerOptions. */
  readonly within?: readonly string[];
}

/** A token for one node of the outer zone. */
export async function outerToken(
  cluster: ClusterProcesses,
  roles: readonly string[] = ['frontend', 'mx'],
): Promise<string> {
  const body = { roles, zone: 'outer', uses: 1 };
  const path = '/api/cluster/tokens';
  return (await cluster.admin().call<{ token: string }>({ method: 'POST', path, body })).token;
}

/** Joined and running; it has no setting that names the store. */
export async function startOuterNode(
  cluster: ClusterProcesses,
  { roles, ...options }: OuterNodeOptions,
): Promise<NodeProcess> {
  // Asked at every start; a node that has joined already makes nothing of it.
  const join = async (): Promise<string> => {
    const through = cluster.up[0]!;
    return `${await outerToken(cluster, roles)}@${through.host}:${through.server.ports.join}`;
  };
  const node = new NodeProcess({ settings: [], ...options, join });
  await node.start();
  return node;
}

/** Every file below a directory. */
export async function filesBelow(directory: string): Promise<{ path: string; bytes: Buffer }[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return { path, bytes: await readFile(path) };
    }),
  );
}

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + 60_000;
  while (!(await isSo())) {
    assert.ok(systemClock.monotonic() < deadline, 'not so after 60 s');
    await systemClock.sleep(50);
  }
}

export interface Attempt {
  readonly service: string;
  readonly method: string;
  readonly given?: unknown;
  readonly grant?: Uint8Array | undefined;
}

/** Speaks to nodes with a node's credentials. */
export class Thief implements AsyncDisposable {
  readonly credentials: LinkCredentials;
  readonly #pool: LinkPool;

  constructor(credentials: LinkCredentials) {
    this.credentials = credentials;
    this.#pool = new LinkPool({
      credentials: () => credentials,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      linksMax: 10,
    });
  }

  static async of(data: string): Promise<Thief> {
    return new Thief((await loadCredentials(data))!);
  }

  /** What the node answers; rejects with its refusal. */
  call(node: NodeProcess, { service, method, given, grant }: Attempt): Promise<unknown> {
    const place = {
      node: node.name as NodeId,
      address: { host: node.host, port: node.server.ports.link },
    };
    const request = { service, method, arguments: given, grant };
    return this.#pool.call(place, request, { timeoutMs: 10_000 });
  }

  /** An account's method. */
  account(
    node: NodeProcess,
    accountId: string,
    { method, given = [], grant }: Omit<Attempt, 'service'>,
  ): Promise<unknown> {
    return this.call(node, { service: 'accounts', method, given: [accountId, given], grant });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.close();
  }
}
