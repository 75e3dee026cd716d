// The lists of who may use a mailbox, and the rows by which those people find it (acl-record.ts): the rows follow from the
// lists, and are made again or taken away. A list of a mailbox that is not there is nobody's.

import type { AccountId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { Bytes, Engine } from '../../storage/engine.ts';
import { decodeRecord, RecordDamaged, unlessDamaged } from '../../storage/record.ts';
import type { AccountHosts } from '../account-hosts.ts';
import { pageBytesMax, pageRowsMax } from '../account-limits.ts';
import { internalMutation } from '../mutations/mutation.ts';
import { numberBehind } from '../records/account-keys.ts';
import {
  decodeAcl,
  encodeAcl,
  identifiersIn,
  parseSharedWithKey,
  sharedWithKey,
  sharedWithRange,
  sharedWithRow,
} from '../records/acl-record.ts';
import type { CheckContext, Finding } from './check-context.ts';

export async function checkAcls(context: CheckContext): Promise<void> {
  const { keys, engine, accountId } = context;
  const range = keys.rows('l');
  await context.eachPage(range, async (repair, entries) => {
    const { state } = repair.draft;
    for (const { key, value } of entries) {
      const id = numberBehind(key, range.prefixLength);
      if (state.mailbox(id) === undefined) {
        context.found(`a list of rights of mailbox ${id}, which is not there`, 'repaired');
        repair.delete(key);
      } else if (unlessDamaged(() => decodeAcl(value)) === undefined) {
        context.found(`the list of rights of mailbox ${id} was damaged on disk`, 'repaired');
        repair.put(key, encodeAcl(state.acls.get(id) ?? []));
      }
    }
  });
  await context.alone(async (repair) => {
    const identifiers = [...identifiersIn(repair.draft.state.acls.values())];
    const rows = await engine.getMany(identifiers.map((identifier) => sharedWithKey(identifier, accountId)));
    for (const [index, identifier] of identifiers.entries()) {
      const row = rows[index];
      if (row !== undefined && unlessDamaged(() => decodeRecord('sharedWith', 1, row)) !== undefined)
        continue;
      context.found('somebody could not find the mailboxes that are shared with him', 'repaired');
      const { key, value } = sharedWithRow(identifier, accountId);
      repair.put(key, value);
    }
  });
}

export interface SharedWithCheck {
  readonly engine: Engine;
  readonly hosts: AccountHosts;
  readonly repair: boolean;
  readonly isHosted: (id: AccountId) => boolean;
}

/** Rows of lists that say something else by now; of accounts that are not open for their own check. */
export async function* checkSharedWith(options: SharedWithCheck): AsyncGenerator<Finding> {
  const { engine, repair, isHosted } = options;
  const { start: first, end } = sharedWithRange(undefined);
  for (let start: Bytes | undefined = first; start !== undefined; ) {
    const limits = { entriesMax: pageRowsMax, bytesMax: pageBytesMax };
    const page = await engine.page({ start, end }, limits);
    for (const { key } of page.entries) {
      const { ownerId: accountId } = parseSharedWithKey(key);
      if (!isHosted(accountId) || !(await isStale(key, options))) continue;
      if (repair) await takeAway(key, options);
      const what = 'somebody was led to mailboxes that are not shared with him';
      yield { accountId, what, action: repair ? 'repaired' : 'reported' };
    }
    start = page.next;
  }
}

async function isStale(key: Bytes, { hosts }: SharedWithCheck): Promise<boolean> {
  const { identifier, ownerId } = parseSharedWithKey(key);
  try {
    const { acls } = await (await hosts.host(ownerId)).loaded();
    return !identifiersIn(acls.values()).has(identifier);
  } catch (error) {
    if (isMailError(error, 'noSuchAccount')) return true;
    // The account's own check tells of it.
    if (error instanceof RecordDamaged) return false;
    throw error;
  }
}

/** Alone with the account, unless there is none. */
async function takeAway(key: Bytes, options: SharedWithCheck): Promise<void> {
  const { engine, hosts } = options;
  const { ownerId } = parseSharedWithKey(key);
  try {
    const { writer } = await hosts.host(ownerId);
    await writer.submit({
      ...internalMutation('storeCheck', async (draft) => {
        if (!(await isStale(key, options))) return;
        draft.version++;
        draft.deletes.push(key);
      }),
      exclusive: true,
    });
  } catch (error) {
    if (!isMailError(error, 'noSuchAccount')) throw error;
    await engine.commit({ fence: hosts.fenceOf(ownerId), deletes: [key] });
  }
}
