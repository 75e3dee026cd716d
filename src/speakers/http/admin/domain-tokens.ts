// What tokens reach that are made for one domain: its accounts, aliases and mail, and nothing by which more could be had.
// Each route that such a token may use says how it is kept within the domain (`within` of its config); others refuse it.
// Invariants: a route that says nothing is closed; an administrator's account is out of reach, for whoever has its password has
// the site; so is one with an address elsewhere, for whoever has it has that address' mail; nobody is made an administrator, or
// let into a group or out of one, which is the whole site's.
// Refuses with permissionDenied.

import { isDeepStrictEqual } from 'node:util';
import type { FastifyRequest } from 'fastify';
import { localAddress } from '../../../directory/account-administration.ts';
import type { DirectoryAdministration } from '../../../directory/directory.ts';
import { isMailError, MailError } from '../../../mail/mail-error.ts';
import { findAccount } from './routes/find-account.ts';

interface DomainQuestion {
  readonly request: FastifyRequest;
  readonly domain: string;
  readonly directory: DirectoryAdministration;
}

export type WithinDomain = (question: DomainQuestion) => Promise<void>;

/** Of a request to one account: in its parameter. */
export const withinAccount: WithinDomain = async ({ request, domain, directory }) => {
  const { account: name } = request.params as { readonly account: string };
  const account = await findAccount(directory, name).catch((error: unknown) => {
    // Who is there is not told either.
    if (isMailError(error, 'noSuchAccount') && name.includes('@')) requireIn(domain, [name]);
    throw error;
  });
  requireIn(domain, [account.address]);
  if (account.administrator)
    throw refusal(`${account.address} is an administrator: a token for one domain does not reach that`);
  if (!account.addresses.every((address) => isIn(domain, address)))
    throw refusal(`${account.address} has addresses in other domains: a token for one does not reach that`);
  checkAccountBody(request.body, domain, account.groups);
};

/** Of lists, which are narrowed, and additions. */
export const withinAccounts: WithinDomain = async ({ request, domain }) => {
  narrowList(request, domain);
  checkAccountBody(request.body, domain, []);
};

export const withinAlias: WithinDomain = async ({ request, domain }) => {
  requireIn(domain, [(request.params as { readonly alias: string }).alias]);
};

export const withinAliases: WithinDomain = async ({ request, domain }) => {
  narrowList(request, domain);
  const { address } = (request.body ?? {}) as { readonly address?: string };
  if (address !== undefined) requireIn(domain, [address]);
};

export const withinOneDomain: WithinDomain = async ({ request, domain, directory }) => {
  const { domain: name } = request.params as { readonly domain: string };
  if ((await directory.domain(name))?.name !== domain) throw refusal(`this token is for ${domain}`);
};

/** Of what has nothing to do with domains. */
export const withinAnything: WithinDomain = async () => {};

function narrowList(request: FastifyRequest, domain: string): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') return;
  const query = request.query as { domain?: string };
  query.domain ??= domain;
  if (query.domain.toLowerCase() !== domain) throw refusal(`this token is for ${domain}`);
}

interface AccountBody {
  readonly address?: string;
  readonly addresses?: readonly string[];
  readonly administrator?: boolean;
  readonly groups?: readonly string[];
}

/** `present`: the groups that it is in. */
function checkAccountBody(body: unknown, domain: string, present: readonly string[]): void {
  if (typeof body !== 'object' || body === null || Buffer.isBuffer(body)) return;
  const { address, addresses = [], administrator = false, groups = present } = body as AccountBody;
  requireIn(domain, address === undefined ? addresses : [address, ...addresses]);
  if (administrator) throw refusal('a token for one domain makes no administrators');
  if (!isDeepStrictEqual(new Set(groups), new Set(present)))
    throw refusal('groups are the whole site’s: a token for one domain lets nobody into one, or out of it');
}

function requireIn(domain: string, addresses: readonly string[]): void {
  if (!addresses.every((address) => isIn(domain, address))) throw refusal(`this token is for ${domain}`);
}

function isIn(domain: string, address: string): boolean {
  return localAddress(address).endsWith(`@${domain}`);
}

function refusal(message: string): MailError {
  return new MailError('permissionDenied', message);
}
