// /api/accounts/:account/mailboxes/:mailbox/messages: what import and export use. Message bytes go in and out as they are.

import { z } from 'zod';
import type { AccountPort, MailboxInfo } from '../../../../account/port.ts';
import { flagNames } from '../../../../mail/flags.ts';
import type { MailboxId, OperationId, Uid } from '../../../../mail/ids.ts';
import { MailError, undefinedWhen } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { messageRowSchema, pageLimitMax, pageOf } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAccount } from '../domain-tokens.ts';
import { findAccount } from './find-account.ts';

const mailboxParams = z.object({ account: z.string(), mailbox: z.coerce.number().int() });
const messageParams = mailboxParams.extend({ uid: z.coerce.number().int() });
const listQuery = z.object({
  after: z.coerce.number().int().optional().describe('The last UID of the page before.'),
  limit: z.coerce.number().int().min(1).max(pageLimitMax).default(pageLimitMax),
});
/** 1900 to 9999: what IMAP's date-time can say (RFC 9051 9: a year has four digits). */
const dateMin = -2_208_988_800;
const dateMax = 253_402_300_799;
const appendQuery = z.object({
  mailbox: z.string().default('INBOX').describe('Name; made and subscribed to when it is not there.'),
  flags: z.string().optional().describe('Comma-separated, such as \\Seen,\\Flagged,$Label1.'),
  date: z.coerce
    .number()
    .int()
    .min(dateMin)
    .max(dateMax)
    .optional()
    .describe('Internal date, seconds since 1970 UTC.'),
  ifNew: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .describe('true: a message that the mailbox has, byte for byte, is not stored again; uid is null then.'),
});
/** One read of a large message's export. */
const exportPieceBytes = 1024 * 1024;

export function messageRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  addAppend(app, dependencies);
  addList(app, dependencies);
  addDownload(app, dependencies);
}

function addAppend(
  app: AdminApp,
  { directory, accounts, prepareMessage, messageBytesMax }: AdminDependencies,
): void {
  const params = z.object({ account: z.string() });
  const stored = z.object({ mailbox: z.number(), uid: z.number().nullable() });
  const options = {
    config: { scope: 'write:accounts' as const, area: 'mail' as const, within: withinAccount },
    bodyLimit: messageBytesMax,
    schema: { params, querystring: appendQuery, response: { 200: stored, 201: stored } },
  };
  app.post('/api/accounts/:account/messages', options, async (request, reply) => {
    const { id } = await findAccount(directory, request.params.account);
    if (!Buffer.isBuffer(request.body))
      throw new MailError('invalidArgument', 'send the message as Content-Type: message/rfc822');
    const port = await accounts.open(id);
    const { mailbox, flags, date, ifNew } = request.query;
    let operations = 0;
    const operation = (): OperationId => `${request.id}.${operations++}` as OperationId;
    const target = await mailboxNamed(port, mailbox, operation);
    const appended = await port.append({
      operation: operation(),
      target: { id: target.id },
      ifNew,
      messages: [
        {
          prepared: await prepareMessage(request.body),
          flags: flags?.split(',').filter(Boolean) ?? [],
          internalDate: date,
        },
      ],
    });
    const [uid = null] = appended.uids;
    return reply.status(uid === null ? 200 : 201).send({ mailbox: appended.mailboxId, uid });
  });
}

async function mailboxNamed(
  port: AccountPort,
  name: string,
  operation: () => OperationId,
): Promise<MailboxInfo> {
  const existing = await port.findMailbox({ name });
  if (existing?.selectable === true) return existing;
  const created = await port.createMailbox({ operation: operation(), name }).catch(async (error: unknown) => {
    // Two imports at once may both find it missing.
    const made = await port.findMailbox({ name });
    if (made === undefined) throw error;
    return made;
  });
  // Most mail programs show what is subscribed to, and nothing else. The mail comes in even if there are too many of them.
  await undefinedWhen(
    'limitReached',
    port.setSubscribed({ operation: operation(), name: created.name, subscribed: true }),
  );
  return created;
}

function addList(app: AdminApp, { directory, accounts }: AdminDependencies): void {
  const options = {
    config: { scope: 'read' as const, area: 'mail' as const, within: withinAccount },
    schema: { params: mailboxParams, querystring: listQuery, response: { 200: pageOf(messageRowSchema) } },
  };
  app.get('/api/accounts/:account/mailboxes/:mailbox/messages', options, async (request) => {
    const { id } = await findAccount(directory, request.params.account);
    const port = await accounts.open(id);
    const { info, uids } = await port.openMailbox(
      { id: request.params.mailbox as MailboxId },
      { claimRecent: false },
    );
    const { after = 0, limit } = request.query;
    const first = uids.findIndex((uid) => uid > after);
    const wanted = first < 0 ? new Uint32Array() : uids.slice(first, first + limit);
    const columns = await port.columns(info.id, wanted);
    const items = [...columns.uids].map((uid, at) => ({
      uid,
      flags: flagNames(columns.flagsLow[at]!, columns.flagsHigh[at]!, columns.keywords),
      internalDate: columns.internalDates[at]!,
      bytes: columns.sizes[at]!,
    }));
    const last = wanted.at(-1);
    return { items, ...(last !== undefined && last !== uids.at(-1) ? { next: String(last) } : {}) };
  });
}

function addDownload(app: AdminApp, { directory, accounts }: AdminDependencies): void {
  const options = {
    config: { scope: 'read' as const, area: 'mail' as const, within: withinAccount },
    schema: { params: messageParams, produces: ['message/rfc822'] },
  };
  app.get('/api/accounts/:account/mailboxes/:mailbox/messages/:uid', options, async (request, reply) => {
    const { id } = await findAccount(directory, request.params.account);
    const port = await accounts.open(id);
    const mailboxId = request.params.mailbox as MailboxId;
    const uid = request.params.uid as Uid;
    const [message] = await port.readMessages(mailboxId, Uint32Array.of(uid), exportPieceBytes);
    if (message?.bytes === undefined)
      throw new MailError('noSuchMessage', `there is no message ${uid} in mailbox ${mailboxId}`);
    const pieces = [message.bytes];
    for (let offset = message.bytes.length; offset < message.size; ) {
      const piece = await port.readRange(mailboxId, uid, { offset, length: exportPieceBytes });
      if (piece === undefined || piece.length === 0)
        throw new MailError('noSuchMessage', `message ${uid} was expunged meanwhile`);
      pieces.push(piece);
      offset += piece.length;
    }
    return reply
      .type('message/rfc822')
      .serializer((body: Buffer) => body as unknown as string)
      .send(Buffer.concat(pieces));
  });
}
