// Before an account can be opened its record, its mailboxes', subscriptions and operations must be readable. What is
// damaged of them is set aside, and made again from the rows: a lost mailbox comes back as "Recovered <id>", with a new
// UIDVALIDITY, so that no client mistakes it for what it had.
// Invariant: runs only while the account does not open, so nobody else writes it. Counters end above everything seen.

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { Bytes, Engine, Entry, Fence } from '../../storage/engine.ts';
import { decodeRecord, encodeRecord, unlessDamaged } from '../../storage/record.ts';
import { decodeTuple, encodeTuple } from '../../storage/tuple.ts';
import { pageBytesMax, pageRowsMax } from '../account-limits.ts';
import { AccountKeys } from '../records/account-keys.ts';
import {
  type AccountRecord,
  decodeAccount,
  decodeMailbox,
  emptyMailboxRecord,
  encodeAccount,
  encodeMailbox,
  type MailboxRecord,
} from '../records/account-record.ts';
import { decodeAcl } from '../records/acl-record.ts';
import { decodeMessageRow } from '../records/message-row.ts';
import { decodeOperation } from '../records/operation-record.ts';
import { firstUidOf, MessagePage, pageUids } from '../table/message-page.ts';
import type { Finding } from './check-context.ts';

export interface RebuildOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly fence: Fence | undefined;
}

/** What the rows tell, whatever the records say. */
interface Seen {
  account: AccountRecord | undefined;
  readonly mailboxes: Map<number, MailboxRecord | undefined>;
  readonly uidNext: Map<number, number>;
  /** The highest uid that messages are stored from: of a row, or where a page begins. */
  readonly storedFrom: Map<number, number>;
  readonly damaged: Entry[];
  modSeq: number;
  emailId: number;
}

/** Makes the account open again. Returns what was found; empty: the damage is elsewhere. */
export async function rebuildAccount(accountId: AccountId, options: RebuildOptions): Promise<Finding[]> {
  const { engine, clock, fence } = options;
  const keys = new AccountKeys(accountId);
  const seen = await walk(accountId, options);
  const now = Math.floor(clock.now() / 1000);
  const findings: Finding[] = [];
  const found = (what: string, action: Finding['action']) => findings.push({ accountId, what, action });
  const records = [...seen.mailboxes.values()].filter((record) => record !== undefined);
  const account = seen.account ?? lostAccount(records, { now, staged: stagedIn(records, seen) });
  // Beyond everything that was ever told to a client.
  account.modSeq =
    Math.max(account.modSeq, seen.modSeq, ...records.map((record) => record.highestModSeq)) + 1;
  account.nextEmailId = Math.max(account.nextEmailId, seen.emailId + 1);
  account.nextMailboxId = Math.max(account.nextMailboxId, ...[...seen.mailboxes.keys()].map((id) => id + 1));
  const puts: Entry[] = [{ key: keys.account, value: encodeAccount(account) }];
  for (const entry of seen.damaged) {
    puts.push({
      key: encodeTuple(['quarantine', accountId, entry.key]),
      value: encodeRecord('quarantine', 1, entry.value),
    });
  }
  if (seen.damaged.length > 0)
    found(`${seen.damaged.length} records of the account or its mailboxes are damaged`, 'setAside');
  if (seen.account === undefined) found('the account record was made again', 'repaired');
  const hasInbox = records.some((record) => record.role === 'inbox' && !record.gone);
  for (const [id, record] of seen.mailboxes) {
    if (record !== undefined) continue;
    account.uidValidity = Math.max(account.uidValidity + 1, now);
    const isInbox = id === 1 && !hasInbox;
    const lost = lostMailbox(id, { isInbox, account, uidNext: seen.uidNext.get(id) ?? 1 });
    puts.push({ key: keys.mailbox(id), value: encodeMailbox(lost) });
    found(`mailbox ${id} was made again as ${lost.name}`, 'repaired');
  }
  puts[0] = { key: keys.account, value: encodeAccount(account) };
  const deletes: Bytes[] = seen.damaged.map(({ key }) => key);
  if (findings.length > 0) await engine.commit({ ...(fence && { fence }), deletes, puts });
  return findings;
}

async function walk(accountId: AccountId, { engine, clock }: RebuildOptions): Promise<Seen> {
  const seen: Seen = {
    account: undefined,
    mailboxes: new Map(),
    uidNext: new Map(),
    storedFrom: new Map(),
    damaged: [],
    modSeq: 0,
    emailId: 0,
  };
  const slicer = new Slicer(clock);
  const range = new AccountKeys(accountId).everything();
  for (let start: Bytes | undefined = range.start; start !== undefined; ) {
    const page = await engine.page(
      { start, end: range.end },
      { entriesMax: pageRowsMax, bytesMax: pageBytesMax },
    );
    for (const entry of page.entries) look(seen, entry);
    start = page.next;
    if (slicer.due()) await slicer.rest();
  }
  return seen;
}

function look(seen: Seen, entry: Entry): void {
  const [, , letter, ...rest] = decodeTuple(entry.key);
  const [first, second, third] = rest as number[];
  const { value } = entry;
  const keep = <T>(decode: () => T): T | undefined => {
    const record = unlessDamaged(decode);
    if (record === undefined) seen.damaged.push(entry);
    return record;
  };
  if (letter === undefined) seen.account = keep(() => decodeAccount(value));
  else if (letter === 'b')
    seen.mailboxes.set(
      first!,
      keep(() => decodeMailbox(value)),
    );
  else if (letter === 's') keep(() => decodeRecord('subscription', 1, value));
  else if (letter === 'o') keep(() => decodeOperation(value));
  else if (letter === 'l') keep(() => decodeAcl(value));
  else if (letter === 'm') {
    if (!seen.mailboxes.has(first!)) seen.mailboxes.set(first!, undefined);
    sawUid(seen, first!, second!);
    seen.storedFrom.set(first!, Math.max(seen.storedFrom.get(first!) ?? 0, second!));
    // A damaged row is the concern of the pass over messages.
    const row = unlessDamaged(() => decodeMessageRow(second!, value));
    seen.modSeq = Math.max(seen.modSeq, row?.modSeq ?? 0);
    seen.emailId = Math.max(seen.emailId, row?.emailId ?? 0);
  } else if (letter === 'p') {
    if (!seen.mailboxes.has(first!)) seen.mailboxes.set(first!, undefined);
    // The whole page: its last uids may be of messages that are gone.
    sawUid(seen, first!, (second! + 1) * pageUids - 1);
    seen.storedFrom.set(first!, Math.max(seen.storedFrom.get(first!) ?? 0, firstUidOf(second!)));
    const page = new MessagePage();
    page.loadSound(second!, value);
    for (let at = 0; at < page.length; at++) {
      seen.modSeq = Math.max(seen.modSeq, page.modSeqs[at]!);
      seen.emailId = Math.max(seen.emailId, page.emailIds[at]!);
    }
  } else if (letter === 'x') {
    seen.modSeq = Math.max(seen.modSeq, second!);
    sawUid(seen, first!, third!);
  } else if (letter !== 't' && letter !== 'i' && letter !== 'n')
    seen.emailId = Math.max(seen.emailId, first!);
}

function sawUid(seen: Seen, mailboxId: number, uid: number): void {
  seen.uidNext.set(mailboxId, Math.max(seen.uidNext.get(mailboxId) ?? 1, uid + 1));
}

/** The mailbox that has what a large copy left that was cut off (staged-copy.ts): only the lost record said which. */
function stagedIn(mailboxes: readonly MailboxRecord[], { storedFrom }: Seen): number | undefined {
  return mailboxes.find(({ id, uidNext }) => (storedFrom.get(id) ?? 0) >= uidNext)?.id;
}

function lostAccount(
  mailboxes: readonly MailboxRecord[],
  { now, staged }: { readonly now: number; readonly staged: number | undefined },
): AccountRecord {
  return {
    modSeq: 0,
    nextMailboxId: 1,
    nextEmailId: 1,
    uidValidity: Math.max(now, ...mailboxes.map((mailbox) => mailbox.uidValidity)),
    bytesUsed: 0,
    messagesUsed: 0,
    bytesMax: undefined,
    messagesMax: undefined,
    operations: 0,
    createdAt: now,
    removed: false,
    ...(staged !== undefined && { staged }),
  };
}

/** Counters are put right by the last pass. */
export function lostMailbox(
  id: number,
  { isInbox, account, uidNext }: { isInbox: boolean; account: AccountRecord; uidNext: number },
): MailboxRecord {
  const { uidValidity, modSeq } = account;
  const name = isInbox ? 'INBOX' : `Recovered ${id}`;
  const role = isInbox ? 'inbox' : undefined;
  const empty = emptyMailboxRecord({ id, name, role, uidValidity, highestModSeq: modSeq });
  return { ...empty, uidNext, tombstonesFrom: modSeq, recentFrom: uidNext };
}
