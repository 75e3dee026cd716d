// /api/accounts/{account}/search-index: how far an account's full-text index is, and the beginning of a new one. It is built in
// the background by whichever node hosts the account; whoever wants to see it done asks how far it is.

import { z } from 'zod';
import type { AccountPort } from '../../../../account/port.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { searchIndexSchema } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAccount } from '../domain-tokens.ts';
import { findAccount } from './find-account.ts';

const params = z.object({ account: z.string().describe('Address or id.') });

export function searchIndexRoutes(app: AdminApp, { directory, accounts }: AdminDependencies): void {
  const portOf = async (name: string) => accounts.open((await findAccount(directory, name)).id);
  const config = { scope: 'read' as const, area: 'directory' as const, within: withinAccount };
  app.get(
    '/api/accounts/:account/search-index',
    { config, schema: { params, response: { 200: searchIndexSchema } } },
    async (request) => shownIndex(await portOf(request.params.account)),
  );
  const description =
    'Throws the index away and has it built again in the background. Searches find the same meanwhile, more slowly.';
  app.post(
    '/api/accounts/:account/search-index/rebuild',
    {
      config: { scope: 'operate' as const },
      schema: { params, description, response: { 202: searchIndexSchema } },
    },
    async (request, reply) => {
      const port = await portOf(request.params.account);
      await port.rebuildSearchIndex();
      return reply.status(202).send(await shownIndex(port));
    },
  );
}

async function shownIndex(port: AccountPort): Promise<z.output<typeof searchIndexSchema>> {
  const { messages, waiting, isBuilding: building, ...index } = await port.searchIndex();
  return { messages, indexed: messages - waiting, waiting, building, ...index };
}
