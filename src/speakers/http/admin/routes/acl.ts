// /api/accounts/{account}/mailboxes/{mailbox}/acl: who may do what with a mailbox. For accounts that are shared it is the only
// way to the first entry: they have no owner who logs in.

import { z } from 'zod';
import type { OperationId } from '../../../../mail/ids.ts';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { aclChangeSchema, aclEntrySchema } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAccount } from '../domain-tokens.ts';
import { findAccount } from './find-account.ts';

const params = z.object({
  account: z.string().describe('Address or id.'),
  mailbox: z.string().describe('Its name, percent-encoded.'),
});
const config = { area: 'directory', within: withinAccount } as const;
const list = z.object({ items: z.array(aclEntrySchema).describe('The owner is the first.') });

export function aclRoutes(app: AdminApp, { directory, accounts, random }: AdminDependencies): void {
  const mailboxOf = async (given: z.output<typeof params>) => {
    const { id } = await findAccount(directory, given.account);
    const port = await accounts.open(id);
    const mailbox = await port.findMailbox({ name: given.mailbox });
    if (mailbox === undefined) throw new MailError('noSuchMailbox', `there is no mailbox ${given.mailbox}`);
    return { port, mailboxId: mailbox.id };
  };
  app.get(
    '/api/accounts/:account/mailboxes/:mailbox/acl',
    { config: { scope: 'read', ...config }, schema: { params, response: { 200: list } } },
    async (request) => {
      const { port, mailboxId } = await mailboxOf(request.params);
      return { items: [...(await port.acl(mailboxId))] };
    },
  );
  app.patch(
    '/api/accounts/:account/mailboxes/:mailbox/acl',
    {
      config: { scope: 'write:directory', ...config },
      schema: { params, body: aclChangeSchema, response: { 200: list } },
    },
    async (request) => {
      const { port, mailboxId } = await mailboxOf(request.params);
      const operation = `admin.${random.identifier(16)}` as OperationId;
      await port.setAcl({ operation, mailboxId, ...request.body });
      return { items: [...(await port.acl(mailboxId))] };
    },
  );
}
