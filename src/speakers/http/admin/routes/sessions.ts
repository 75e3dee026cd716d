// /api/sessions: who is connected, and the end of it. A node of a cluster asks all others, each for its own sessions, with the
// caller's own token; those that do not answer are named, nothing fails because of them.

import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { carriedFields } from '../../../../cluster/relayed-administration.ts';
import { MailError } from '../../../../mail/mail-error.ts';
import type { OpenSession, SelectedMailbox } from '../../../kit/open-sessions.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { nullsForUndefined } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { findAccount } from './find-account.ts';

/** Of one node: more are no list that a person reads, and `account` asks for less. */
const sessionsShownMax = 1000;

const sessionSchema = z.object({
  id: z.string().describe("As `traceId` in the log; until the node's next start."),
  node: z.string().nullable().describe('null: a server that is alone.'),
  protocol: z.string().describe("The listener's name, such as imaps."),
  account: z.string().nullable().describe('Its address; null: nobody has logged in.'),
  remoteAddress: z.string(),
  remotePort: z.number(),
  connectedAt: z.number().describe('Seconds since 1970 UTC.'),
  tls: z.string().nullable().describe('The version; null: in the clear.'),
  mailbox: z.string().nullable().describe('Selected now.'),
});
type ShownSession = z.output<typeof sessionSchema>;
const unanswered = z.array(z.string()).describe('Nodes that did not answer: what they have is not in this.');
const listAnswer = z.object({
  items: z.array(sessionSchema),
  unanswered,
  more: z.boolean().describe(`Some node has more than the ${sessionsShownMax} it says.`),
});
const endAnswer = z.object({ ended: z.number(), unanswered });

const onlyHere = z.enum(['true', 'false']).default('false').describe('true: of this node alone.');
const listQuery = z.object({ account: z.string().optional().describe('Address or id.'), onlyHere });
const endQuery = listQuery.extend({
  session: z.string().optional().describe('Its id, instead of `account`.'),
});

export function sessionRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const list = {
    config: { scope: 'read' as const },
    schema: { querystring: listQuery, response: { 200: listAnswer } },
  };
  app.get('/api/sessions', list, async (request) => {
    const { account, onlyHere } = request.query;
    const isWanted = await wantedBy({ account }, dependencies);
    if (onlyHere === 'true' || dependencies.cluster === undefined) return shownHere(dependencies, isWanted);
    const { answers, silent } = await everywhere(request, dependencies, listAnswer);
    return {
      items: answers.flatMap(({ items }) => items),
      unanswered: silent,
      more: answers.some(({ more }) => more),
    };
  });
  const description =
    'The client may log in again: a password that is stolen is to be changed, which ends sessions too.';
  const end = {
    config: { scope: 'operate' as const },
    schema: { description, querystring: endQuery, response: { 200: endAnswer } },
  };
  app.delete('/api/sessions', end, async (request) => {
    const { account, session, onlyHere } = request.query;
    if ((account === undefined) === (session === undefined))
      throw new MailError('invalidArgument', 'say which sessions: `account` or `session`');
    const isWanted = await wantedBy({ account, session }, dependencies);
    if (onlyHere === 'true' || dependencies.cluster === undefined) {
      const ended = dependencies.sessions?.end(isWanted) ?? 0;
      if (ended > 0) dependencies.log.info({ account, session, ended }, 'sessions ended by an administrator');
      return { ended, unanswered: [] };
    }
    const { answers, silent } = await everywhere(request, dependencies, endAnswer);
    return { ended: answers.reduce((sum, { ended }) => sum + ended, 0), unanswered: silent };
  });
}

async function wantedBy(
  { account, session }: { readonly account?: string | undefined; readonly session?: string | undefined },
  { directory }: AdminDependencies,
): Promise<(one: OpenSession) => boolean> {
  if (session !== undefined) return ({ id }) => id === session;
  if (account === undefined) return () => true;
  const { id } = await findAccount(directory, account);
  return ({ user }) => user?.accountId === id;
}

async function shownHere(
  dependencies: AdminDependencies,
  isWanted: (one: OpenSession) => boolean,
): Promise<z.output<typeof listAnswer>> {
  const wanted = [...(dependencies.sessions?.list() ?? [])].filter(isWanted);
  const node = (await dependencies.cluster?.status())?.self.node;
  const names = new Map<string, Promise<string | undefined>>();
  const mailboxOf = (user: OpenSession['user']): Promise<string | undefined> | undefined => {
    const selected = user?.selected?.();
    if (selected === undefined) return undefined;
    const key = `${selected.accountId} ${selected.mailboxId}`;
    const known = names.get(key) ?? nameOfMailbox(dependencies, selected);
    names.set(key, known);
    return known;
  };
  const items = await Promise.all(
    wanted.slice(0, sessionsShownMax).map(async ({ listener, user, ...session }): Promise<ShownSession> => {
      const mailbox = await mailboxOf(user);
      return nullsForUndefined({ ...session, node, protocol: listener, account: user?.address, mailbox });
    }),
  );
  return { items, unanswered: [], more: wanted.length > sessionsShownMax };
}

/** Undefined: it is gone, or its account cannot be reached just now. */
async function nameOfMailbox(
  { accounts, log }: AdminDependencies,
  { accountId, mailboxId }: SelectedMailbox,
): Promise<string | undefined> {
  try {
    return (await (await accounts.open(accountId)).findMailbox({ id: mailboxId }))?.name;
  } catch (error) {
    log.debug({ err: error, accountId }, 'the mailbox of a session could not be named');
    return undefined;
  }
}

/** The same of every node that lives, this one too. */
async function everywhere<T>(
  request: FastifyRequest,
  { cluster, log }: AdminDependencies,
  answer: z.ZodType<T>,
): Promise<{ readonly answers: T[]; readonly silent: string[] }> {
  const { nodes } = await cluster!.status();
  const query = new URLSearchParams({ ...(request.query as Record<string, string>), onlyHere: 'true' });
  const { 'idempotency-key': _key, ...fields } = carriedFields(request.headers);
  const asked = {
    method: request.method as 'GET' | 'DELETE',
    url: `/api/sessions?${query}`,
    fields,
    remoteAddress: request.ip ?? '',
    isOperator: request.caller === 'socket',
  };
  const answers: T[] = [];
  const silent: string[] = [];
  const ask = async (node: string): Promise<void> => {
    try {
      const { status, body } = await cluster!.administer(node, asked);
      if (status !== 200) throw new MailError('unavailable', `${node} answered ${status}`);
      answers.push(answer.parse(JSON.parse(Buffer.from(body).toString('utf8'))));
    } catch (error) {
      log.warn({ err: error, node }, 'a node could not be asked for its sessions');
      silent.push(node);
    }
  };
  const living = nodes.filter(({ state }) => state === 'active' || state === 'draining');
  await Promise.all(living.map(({ node }) => ask(node)));
  return { answers, silent: silent.sort() };
}
