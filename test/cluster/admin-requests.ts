// The admin API of a node under test, over HTTP, as those ask it who have a token; and what a thief asks of it over links.

import { accountPath } from '../../src/operator/commands/account.ts';
import { addressOf } from '../server-process.ts';
import type { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** A token with these scopes. */
export async function tokenWith(cluster: ClusterProcesses, ...scopes: readonly string[]): Promise<string> {
  const request = { method: 'POST', path: '/api/tokens', body: { name: 'test', scopes } } as const;
  return (await cluster.admin().call<{ token: string }>(request)).token;
}

export async function accountIdOf(cluster: ClusterProcesses, user: string): Promise<string> {
  return (await cluster.admin().call<{ id: string }>({ path: accountPath(addressOf(user)) })).id;
}

export async function setPassword(cluster: ClusterProcesses, user: string, password: string): Promise<void> {
  await cluster
    .admin()
    .call({ method: 'PUT', path: `${accountPath(addressOf(user))}/password`, body: { password } });
}

/** `line`: method and path. */
export async function askNode(
  node: NodeProcess,
  line: string,
  { token, body }: { readonly token?: string | undefined; readonly body?: object | undefined } = {},
): Promise<AdminAnswer> {
  const [method = '', path = ''] = line.split(' ');
  const answer = await fetch(`http://${node.host}:${node.port('admin')}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.text() };
}

/** A request of the admin API as a frontend carries it. */
export function carriedRequest(line: string, fields: Record<string, string> = {}, body: object = {}) {
  const [method, url] = line.split(' ');
  return {
    method,
    url,
    fields: { 'content-type': 'application/json', ...fields },
    remoteAddress: '127.0.0.1',
    isOperator: false,
    ...(method === 'GET' ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  };
}

export interface AdministrationAttack {
  readonly line: string;
  readonly fields: Record<string, string>;
  readonly body?: object;
  readonly status: number;
}

/** What whoever controls a frontend tries: without a token, with one of its making, with a powerful one it saw. */
export function administrationAttacks(seen: {
  readonly token: string;
  readonly grant: string;
  readonly address: string;
}): AdministrationAttack[] {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const account = `/api/accounts/${seen.address}`;
  const open = ['GET /api/accounts', `PUT ${account}/password`, `DELETE ${account}`, 'POST /api/accounts'];
  const closed = [
    'GET /api/cluster',
    'POST /api/cluster/tokens',
    'POST /api/tokens',
    'GET /api/config',
    'GET /api/nodes/node1/config',
    'POST /api/store/check',
    `GET ${account}/mailboxes/1/messages/1`,
  ];
  const own = { address: seen.address, current: 'guessed', password: 'the thief’s' };
  return [
    ...open.flatMap((line) =>
      [{}, bearer('x'), bearer(seen.grant)].map((fields) => ({ line, fields, status: 401 })),
    ),
    { line: 'PUT /api/password', fields: {}, body: own, status: 401 },
    // Of an administrator who came through it, and whose token may more than is open to the outer zone.
    ...closed.map((line) => ({ line, fields: bearer(seen.token), status: 403 })),
  ];
}
