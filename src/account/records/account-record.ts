// The two small records of an account that change with almost every commit: the account's counters and a
// mailbox's. JSON inside the checksummed envelope: they are written once a commit, whatever the number of messages.
// Invariant: counters only rise (mod-sequence, next ids, uidNext, uidValidity), a commit that fails raises none.
// Damage: decode throws RecordDamaged, the account does not open, store check rebuilds it.

import type { MailboxId, ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { allRights } from '../../mail/rights.ts';
import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';
import type { MailboxInfo, MailboxRole } from '../port.ts';

export interface AccountRecord {
  /** The last mod-sequence taken. */
  modSeq: number;
  nextMailboxId: number;
  nextEmailId: number;
  /** The last UIDVALIDITY given to a mailbox; seconds since 1970 at first, only rises. */
  uidValidity: number;
  /** Every email is counted once, however many mailboxes it is in (RFC 9208 leaves that to us). */
  bytesUsed: number;
  messagesUsed: number;
  bytesMax: number | undefined;
  messagesMax: number | undefined;
  /** How many operations were recorded: the number of the next one. */
  operations: number;
  /** Seconds since 1970 UTC. */
  createdAt: number;
  /** The account is being removed; what is left of it goes. */
  removed: boolean;
  /** A large copy that was cut off: rows of this mailbox from uidNext on are its leftovers (staged-copy.ts). */
  staged?: number;
}

export interface MailboxRecord {
  id: number;
  name: string;
  role: MailboxRole | undefined;
  selectable: boolean;
  uidValidity: number;
  uidNext: number;
  highestModSeq: number;
  messages: number;
  unseen: number;
  deleted: number;
  bytes: number;
  keywords: readonly string[];
  /** Tombstone rows there are. */
  tombstones: number;
  /** Tombstones are complete for everything expunged after this mod-sequence. */
  tombstonesFrom: number;
  /** Messages from this uid on were not yet \Recent to anybody. */
  recentFrom: number;
  /** Nobody sees it: deleted, its messages are being removed; or never there, see `staging`. */
  gone: boolean;
  /** It holds what came so far of this staged append (staged-append.ts). Absent: of none, or of none any more. */
  staging?: OperationId;
}

/** Of a mailbox that nothing came into yet. */
export function emptyMailboxRecord(
  given: Pick<MailboxRecord, 'id' | 'name' | 'role' | 'uidValidity' | 'highestModSeq'>,
): MailboxRecord {
  const { id, name, role, uidValidity, highestModSeq } = given;
  return {
    id,
    name,
    role,
    selectable: true,
    uidValidity,
    uidNext: 1,
    highestModSeq,
    messages: 0,
    unseen: 0,
    deleted: 0,
    bytes: 0,
    keywords: [],
    tombstones: 0,
    tombstonesFrom: 0,
    recentFrom: 1,
    gone: false,
  };
}

const version = 1;

export function encodeAccount(record: AccountRecord): Buffer {
  return encodeJsonRecord('account', version, record);
}

/** Throws RecordDamaged. */
export function decodeAccount(value: Uint8Array): AccountRecord {
  const record = decodeJsonRecord<AccountRecord>('account', version, value);
  // JSON leaves out undefined members; all of a record's objects keep one shape.
  return { ...record, bytesMax: record.bytesMax ?? undefined, messagesMax: record.messagesMax ?? undefined };
}

export function encodeMailbox(record: MailboxRecord): Buffer {
  return encodeJsonRecord('mailbox', version, record);
}

/** Throws RecordDamaged. */
export function decodeMailbox(value: Uint8Array): MailboxRecord {
  const record = decodeJsonRecord<MailboxRecord>('mailbox', version, value);
  // Records of before had no claims; all that was there is taken for claimed.
  return { ...record, role: record.role ?? undefined, recentFrom: record.recentFrom ?? record.uidNext };
}

/** What the port tells of a mailbox. */
export function mailboxInfo(record: MailboxRecord): MailboxInfo {
  return {
    id: record.id as MailboxId,
    name: record.name,
    role: record.role,
    selectable: record.selectable,
    uidValidity: record.uidValidity,
    uidNext: record.uidNext as Uid,
    highestModSeq: record.highestModSeq as ModSeq,
    messages: record.messages,
    unseen: record.unseen,
    deleted: record.deleted,
    bytes: record.bytes,
    keywords: record.keywords,
    rights: allRights,
  };
}
