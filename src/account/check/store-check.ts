// Walks accounts while they are in use: checksums, memberships, contents and their digests, summaries, threads, links,
// counters. Reports what is wrong; with `repair` sets damaged records aside under ('quarantine', account, key) and makes
// derived data again from the messages.
// Invariant: every look and its repair are alone with the account (its writer), a page at a time, so that sessions go on.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { Slicer } from '../../base/slicer.ts';
import type { AccountId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { BlobFinding, BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { RecordDamaged } from '../../storage/record.ts';
import { decodeTuple, encodeTuple, successorOfPrefix, tuplePrefixRange } from '../../storage/tuple.ts';
import type { AccountHosts } from '../account-hosts.ts';
import { checkAcls, checkSharedWith } from './check-acls.ts';
import { CheckContext, type Finding } from './check-context.ts';
import { checkEmails } from './check-emails.ts';
import { checkMessagePages } from './check-message-pages.ts';
import { checkMessageRows, restoreMailboxes } from './check-message-rows.ts';
import { checkRecords } from './check-records.ts';
import { checkCounters, checkOrphans } from './check-rest.ts';
import { checkSearchIndex } from './check-search-index.ts';
import { rebuildAccount } from './rebuild-account.ts';

export type StoreCheckEvent =
  | { readonly type: 'progress'; readonly accountsDone: number; readonly accountsTotal: number }
  | {
      readonly type: 'finding';
      readonly accountId: AccountId | undefined;
      readonly what: string;
      readonly action: 'repaired' | 'setAside' | 'reported';
    }
  | {
      readonly type: 'done';
      readonly accounts: number;
      /** Left out: other nodes host them, whose checks look at them. */
      readonly elsewhere: number;
      readonly messages: number;
      readonly findings: number;
    };

export interface StoreCheckOptions {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly hosts: AccountHosts;
  /** Accounts that it does not know are reported. */
  readonly directory?: {
    account(id: AccountId): Promise<unknown>;
    /** Walks its own rows; with `repair` sets damaged ones aside and makes derived ones again. */
    check?(options: { readonly repair: boolean }): AsyncIterable<BlobFinding>;
  };
  readonly clock: Clock;
  readonly log: Logger;
  readonly repair: boolean;
  /** In a cluster: whether this node hosts the account. Others' are left out. */
  readonly isHosted?: (id: AccountId) => boolean;
  /** Somebody else checks what accounts lean on. */
  readonly accountsOnly?: boolean;
  /** Only this account. */
  readonly accountId?: AccountId;
}

export async function* checkStore(options: StoreCheckOptions): AsyncGenerator<StoreCheckEvent, void, void> {
  const { accountId: only, directory, log, isHosted = () => true } = options;
  const stored = only === undefined ? await storedAccounts(options) : [only];
  const accountIds = stored.filter(isHosted);
  const slicer = new Slicer(options.clock);
  let messages = 0;
  let findings = 0;
  // First what accounts lean on.
  if (only === undefined && options.accountsOnly !== true) {
    for await (const finding of checkFoundations(options)) {
      findings++;
      log.warn(finding, 'store check found damage');
      yield { type: 'finding', accountId: undefined, ...finding };
    }
  }
  yield { type: 'progress', accountsDone: 0, accountsTotal: accountIds.length };
  for (const [index, accountId] of accountIds.entries()) {
    const found: Finding[] = [];
    if (directory !== undefined && (await directory.account(accountId)) === undefined) {
      found.push({ accountId, what: 'the directory does not know this account', action: 'reported' });
    }
    messages += await checkAccount(accountId, options, found);
    for (const finding of found) {
      findings++;
      log.warn(
        { account: accountId, what: finding.what, action: finding.action },
        'store check found damage',
      );
      yield { type: 'finding', ...finding };
      if (slicer.due()) await slicer.rest();
    }
    yield { type: 'progress', accountsDone: index + 1, accountsTotal: accountIds.length };
  }
  // Last: the accounts' own lists are in order now.
  if (only === undefined) {
    for await (const finding of checkSharedWith({ ...options, isHosted })) {
      findings++;
      log.warn(finding, 'store check found damage');
      yield { type: 'finding', ...finding };
    }
  }
  const elsewhere = stored.length - accountIds.length;
  yield { type: 'done', accounts: accountIds.length, elsewhere, messages, findings };
}

/** The rows of the directory and of the blob store, as they can judge them themselves. */
async function* checkFoundations({
  blobs,
  directory,
  repair,
}: StoreCheckOptions): AsyncGenerator<BlobFinding> {
  if (directory?.check !== undefined) yield* directory.check({ repair });
  if (blobs.check !== undefined) yield* blobs.check({ repair });
}

/** Checks one account; adds to `findings`; returns how many messages it has. */
async function checkAccount(
  accountId: AccountId,
  options: StoreCheckOptions,
  findings: Finding[],
): Promise<number> {
  try {
    const account = await openForCheck(accountId, options, findings);
    if (account === undefined) return 0;
    const context = new CheckContext({ ...options, account });
    try {
      await checkRecords(context);
      await restoreMailboxes(context);
      await checkMessagePages(context);
      await checkMessageRows(context);
      await checkEmails(context);
      await checkOrphans(context);
      await checkAcls(context);
      await checkSearchIndex(context);
      return await checkCounters(context);
    } finally {
      findings.push(...context.findings);
    }
  } catch (error) {
    // One account that cannot be checked must not end the check of the others.
    options.log.error({ err: error, account: accountId }, 'an account could not be checked');
    findings.push({ accountId, what: `it could not be checked: ${String(error)}`, action: 'reported' });
    return 0;
  }
}

async function openForCheck(accountId: AccountId, options: StoreCheckOptions, findings: Finding[]) {
  const { hosts, engine, clock, repair } = options;
  try {
    return await hosts.host(accountId);
  } catch (error) {
    if (isMailError(error, 'noSuchAccount')) {
      if ((await engine.get(encodeTuple(['a', accountId]))) !== undefined) {
        if (repair) await hosts.remove(accountId);
        findings.push({
          accountId,
          what: 'its removal was cut off',
          action: repair ? 'repaired' : 'reported',
        });
        return undefined;
      }
      // No record of the account, but rows of it.
    } else if (!(error instanceof RecordDamaged)) throw error;
    if (!repair) {
      findings.push({ accountId, what: `it does not open: ${(error as Error).message}`, action: 'reported' });
      return undefined;
    }
  }
  findings.push(...(await rebuildAccount(accountId, { engine, clock, fence: hosts.fenceOf(accountId) })));
  return hosts.host(accountId);
}

/** Every account that has rows, by skipping from one to the next. */
async function storedAccounts({
  engine,
  clock,
}: Pick<StoreCheckOptions, 'engine' | 'clock'>): Promise<AccountId[]> {
  const accountIds: AccountId[] = [];
  const slicer = new Slicer(clock);
  const { start: first, end } = tuplePrefixRange(['a']);
  for (let start: Bytes = first; ; ) {
    const page = await engine.page({ start, end }, { entriesMax: 1, bytesMax: 1 });
    const entry = page.entries[0];
    if (entry === undefined) return accountIds;
    const accountId = decodeTuple(entry.key)[1] as AccountId;
    accountIds.push(accountId);
    start = successorOfPrefix(encodeTuple(['a', accountId]));
    if (slicer.due()) await slicer.rest();
  }
}
