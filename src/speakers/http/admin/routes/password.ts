// /api/password: users change their own passwords, with the old one as the proof. No token is needed; guesses are counted
// and slowed down as at every login.

import { z } from 'zod';
import { isMailError, MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { passwordSchema } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';

const { password } = passwordSchema.shape;
const body = z.strictObject({ address: z.string().max(1024), current: password, password });

export function passwordRoutes(app: AdminApp, { directory }: AdminDependencies): void {
  const description = 'Changes your own password; needs no token.';
  const schema = { description, body, response: { 204: z.null() } };
  app.put('/api/password', { config: { area: 'password' }, schema }, async (request, reply) => {
    const { address, current, password: next } = request.body;
    const { ip: remoteAddress, id: traceId, frontend } = request;
    const context = { service: 'http', remoteAddress, traceId, frontend } as const;
    const proven = (given: string) =>
      directory.verifyPassword({ user: address, password: given, authorizationId: '' }, context);
    const { accountId, appPasswordId } = await proven(current).catch(async (error: unknown) => {
      if (!isMailError(error, 'authenticationFailed')) throw error;
      // The first answer to this request may have been lost.
      return proven(next);
    });
    if (appPasswordId !== undefined)
      throw new MailError('permissionDenied', 'an app password does not change the account’s own');
    await directory.setPassword(accountId, next);
    return reply.status(204).send(null);
  });
}
