// What /api/openapi.json says of a route besides its schemas: what it does, a name for generated clients, the scope that a token
// needs, and the Idempotency-Key of writes. Invariant: every route under /api that is described stands in `summaries` (a test sees to it).

import type { SwaggerTransform } from '@fastify/swagger';
import type { FastifySchema } from 'fastify';
import { jsonSchemaTransform } from 'fastify-type-provider-zod';

/** A key is a UUID or the like. */
export const idempotencyKeyBytesMax = 200;

const summaries: Record<string, string> = {
  'GET /api/domains': 'List the domains',
  'POST /api/domains': 'Add a domain',
  'GET /api/domains/{domain}': 'Show a domain',
  'PATCH /api/domains/{domain}': 'Change a domain',
  'DELETE /api/domains/{domain}': 'Remove a domain that has no accounts and aliases',
  'GET /api/accounts': 'List the accounts, all or those of a domain',
  'POST /api/accounts': 'Add an account',
  'GET /api/accounts/{account}': 'Show an account, by id or address',
  'PATCH /api/accounts/{account}': 'Change an account',
  'DELETE /api/accounts/{account}': 'Remove an account and all of its mail',
  'PUT /api/accounts/{account}/password': "Set an account's password",
  'GET /api/accounts/{account}/app-passwords': "List an account's app passwords, without the secrets",
  'POST /api/accounts/{account}/app-passwords': 'Make an app password; the secret is shown this once',
  'DELETE /api/accounts/{account}/app-passwords/{appPassword}': 'Take an app password back',
  'GET /api/accounts/{account}/quota': 'What an account uses and may use',
  'PUT /api/accounts/{account}/quota': 'Set what an account may use',
  'GET /api/accounts/{account}/mailboxes': "List an account's mailboxes with their counts",
  'GET /api/accounts/{account}/mailboxes/{mailbox}/acl': 'Who has which rights on a mailbox',
  'PATCH /api/accounts/{account}/mailboxes/{mailbox}/acl': 'Give rights on a mailbox, or take them back',
  'POST /api/accounts/{account}/messages': 'Store a message (message/rfc822) in a mailbox',
  'GET /api/accounts/{account}/mailboxes/{mailbox}/messages': 'List the messages of a mailbox',
  'GET /api/accounts/{account}/mailboxes/{mailbox}/messages/{uid}': 'A message, byte for byte',
  'GET /api/accounts/{account}/search-index': "How far an account's search index is",
  'POST /api/accounts/{account}/search-index/rebuild': "Build an account's search index again",
  'GET /api/aliases': 'List the aliases, all or those of a domain',
  'POST /api/aliases': 'Add an alias',
  'GET /api/aliases/{alias}': 'Show an alias',
  'PATCH /api/aliases/{alias}': 'Change an alias',
  'DELETE /api/aliases/{alias}': 'Remove an alias',
  'PUT /api/password': "Change one's own password, knowing the present one",
  'GET /api/version': 'The version of the server',
  'GET /api/config': 'The configuration in effect, secrets masked',
  'POST /api/reload': 'Take over what changed in the configuration, as SIGHUP does',
  'POST /api/store/check': 'Read the whole store and mend what can be: a JSON line for each step',
  'GET /api/tokens': 'List the tokens, without the secrets',
  'POST /api/tokens': 'Make a token; it is shown this once',
  'GET /api/token': 'What the token of this request is good for',
  'DELETE /api/tokens/{token}': 'Revoke a token',
  'GET /api/cluster': 'The nodes, who hosts how much, and what is wrong',
  'POST /api/cluster/nodes/{node}/drain': 'Move the accounts of a node to others and send it no new clients',
  'POST /api/cluster/nodes/{node}/undrain': 'Let a node take accounts and clients again',
  'POST /api/cluster/nodes/{node}/admit': 'Let a name that was removed join again',
  'DELETE /api/cluster/nodes/{node}': 'Take a node out for good',
  'GET /api/cluster/shards': 'List the shards, with the node that hosts each',
  'POST /api/cluster/shards/{shard}/move': 'Move a shard to a node and keep it there',
  'POST /api/cluster/rebalance': 'Spread the shards evenly',
  'GET /api/sessions': 'List open sessions, of all nodes',
  'DELETE /api/sessions': 'End the sessions of an account, or one',
  'GET /api/cluster/who/{account}': 'Which node hosts an account, and where its sessions are',
  'GET /api/cluster/balancer': 'What balancer configurations are made from',
  'GET /api/cluster/tokens': 'List the join tokens that are out',
  'POST /api/cluster/tokens': 'Make a join token; it is shown this once',
  'DELETE /api/cluster/tokens/{token}': 'Revoke a join token',
  'GET /api/cluster/configuration': 'The configuration of the cluster',
  'PUT /api/cluster/configuration': 'Make a configuration the newest version',
  'GET /api/cluster/configuration/history': 'List the versions that are kept',
  'GET /api/cluster/configuration/history/{version}': 'One version of the configuration',
  'POST /api/cluster/configuration/rollback': 'Make an older version the newest one',
};

const keyHeader = {
  type: 'object',
  properties: {
    'Idempotency-Key': {
      type: 'string',
      minLength: 1,
      maxLength: idempotencyKeyBytesMax,
      description: 'Sent again with the same request, it gets the first answer again and changes nothing.',
    },
  },
};

/** "GET", "/api/domains/{domain}" → "getDomainsByDomain". */
function operationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api/, '')
    .replaceAll(/\{(\w)/g, (_, first: string) => `By${first.toUpperCase()}`)
    .split(/[^A-Za-z]+/);
  const capitals = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return method.toLowerCase() + capitals.join('');
}

export const describeRoute: SwaggerTransform<FastifySchema> = (described) => {
  const { schema, url } = jsonSchemaTransform(described);
  const { method: methods, config } = described.route;
  const path = url.replaceAll(/:(\w+)/g, '{$1}');
  const method = [methods].flat().find((one) => one !== 'HEAD') ?? 'HEAD';
  const summary = summaries[`${method} ${path}`];
  if (summary === undefined) return { schema, url };
  const scope = config?.scope;
  const security = scope === undefined ? [] : [{ bearer: scope === 'any' ? [] : [scope] }];
  const more = { summary, operationId: operationId(method, path), security };
  const headers = method === 'GET' ? {} : { headers: keyHeader };
  return { schema: { ...schema, ...more, ...headers } as FastifySchema, url };
};
