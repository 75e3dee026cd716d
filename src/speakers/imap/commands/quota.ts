// GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208): one quota root an account that has limits: '' the session's own,
// `Other Users/ann@example.org` Ann's. Administrators see and set everybody's. The limits are the directory's, which tells the
// account; an account that cannot be reached follows later, and the client is told so.

import type { AccountPort, QuotaStatus } from '../../../account/port.ts';
import type { DirectoryAccount } from '../../../directory/directory.ts';
import { formatQuota, formatQuotaRoot } from '../../../wire/imap/format-quota.ts';
import type {
  GetQuotaCommand,
  GetQuotaRootCommand,
  SetQuotaCommand,
} from '../../../wire/imap/mailbox-command.ts';
import { accountUnder, locate, ownerUnder } from '../mailbox-location.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

const ownRoot = '';
const done = ok('Getquota completed');
const noSuchRoot = no('No such quota root', 'NONEXISTENT');
/** RFC 9208 5.1: STORAGE counts in units of 1024 octets. */
const storageUnitBytes = 1024;
const unitsOf: ReadonlyMap<string, number> = new Map([
  ['STORAGE', storageUnitBytes],
  ['MESSAGE', 1],
]);

export async function getQuota(session: ImapSession, command: GetQuotaCommand): Promise<Reply> {
  const account = await accountOfRoot(session, command.root);
  if (account === undefined) return noSuchRoot;
  const response = quotaResponse(command.root, await account.quota());
  if (response === undefined) return no('Nothing is limited', 'NONEXISTENT');
  session.connection.write(response);
  return done;
}

/** The mailbox need not exist (4.1.2). */
export async function getQuotaRoot(session: ImapSession, command: GetQuotaRootCommand): Promise<Reply> {
  const { account, prefix } = await locate(session, command.mailbox);
  const root = prefix.slice(0, -1);
  const response = quotaResponse(root, await account.quota());
  const roots = response === undefined ? [] : [octets(root)];
  session.connection.write(formatQuotaRoot(command.mailbox, roots, session) + (response ?? ''));
  return done;
}

export async function setQuota(session: ImapSession, { root, limits }: SetQuotaCommand): Promise<Reply> {
  const administration = await administrationOf(session);
  if (administration === undefined) return no('Only administrators set limits', 'NOPERM');
  const owner = await ownerOfRoot(session, root);
  if (owner === undefined) return noSuchRoot;
  for (const [resource, limit] of limits) {
    const unit = unitsOf.get(resource);
    if (unit === undefined) return no('No such resource', 'CANNOT');
    if (!Number.isSafeInteger(limit * unit)) return no('Limit is too large', 'CANNOT');
  }
  const storage = limits.get('STORAGE');
  const wanted = {
    quotaBytes: storage === undefined ? undefined : storage * storageUnitBytes,
    quotaMessages: limits.get('MESSAGE'),
  };
  await administration.setAccount(owner.id, wanted);
  const quota = await (await session.environment.accounts.open(owner.id)).quota();
  if (quota.bytesMax !== wanted.quotaBytes || quota.messagesMax !== wanted.quotaMessages)
    return no('The limits are set; the account follows when it can be reached', 'UNAVAILABLE');
  session.connection.write(quotaResponse(root, quota) ?? '');
  return ok('Setquota completed');
}

async function accountOfRoot(session: ImapSession, root: string): Promise<AccountPort | undefined> {
  if (root === ownRoot) return accountOf(session);
  const account = await accountUnder(session, root);
  if (account !== undefined || (await administrationOf(session)) === undefined) return account;
  const owner = await ownerOfRoot(session, root);
  return owner && session.environment.accounts.open(owner.id);
}

/** For sessions of administrators who are it still; undefined for all others. */
async function administrationOf(session: ImapSession) {
  const { administration } = session.environment;
  if (!session.administers) return undefined;
  const self = await administration?.account(accountOf(session).accountId);
  return self?.enabled === true && self.administrator ? administration : undefined;
}

/** Anybody's, shared with the session or not: for administrators. */
function ownerOfRoot(session: ImapSession, root: string): Promise<DirectoryAccount | undefined> {
  const administration = session.environment.administration!;
  if (root === ownRoot) return administration.account(accountOf(session).accountId);
  return ownerUnder(root, (address) => administration.accountByAddress(address));
}

/** Of UTF-8. */
function octets(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Undefined: nothing is limited, so there is no such root: its list has at least one resource (section 7, quota-list). */
function quotaResponse(
  root: string,
  { bytesUsed, bytesMax, messagesUsed, messagesMax }: QuotaStatus,
): string | undefined {
  const resources: { name: string; used: number; max: number }[] = [];
  if (bytesMax !== undefined) {
    const used = Math.ceil(bytesUsed / storageUnitBytes);
    resources.push({ name: 'STORAGE', used, max: Math.floor(bytesMax / storageUnitBytes) });
  }
  if (messagesMax !== undefined) resources.push({ name: 'MESSAGE', used: messagesUsed, max: messagesMax });
  return resources.length === 0 ? undefined : formatQuota(octets(root), resources);
}
