// The account port (ARCHITECTURE 4): the one inner interface between speakers and accounts. Two implementations:
// the local host (this folder) and, in a cluster, a stub that carries the calls over a link.
//
// Rules that keep it honest: methods are coarse and named after mail; arguments and results are plain data and
// bytes; what can be large is pulled in bounded pieces; every mutation carries an operation id chosen by the caller,
// so that a retry is applied once, and that begins with the trace id of the session it is of (traceOf), so that the host's log
// can be followed without a context beside the call; nothing is announced before the engine said it is durable.
// Failures: MailError for refusals, Fault when storage or the way to the owner fails.

import type { AccountId, MailboxId, ModSeq, OperationId, Uid } from '../mail/ids.ts';
import type { ThreadAlgorithm } from '../mail/message-order.ts';
import type { AclChangeMode, AclEntry, Rights } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import type * as Reads from './port-reads.ts';
import type { PreparedMessage } from './prepared-message.ts';

/** RFC 6154; a mailbox has at most one role, an account at most one mailbox a role. INBOX is the role of that name. */
export type MailboxRole =
  | 'inbox'
  | 'drafts'
  | 'sent'
  | 'junk'
  | 'trash'
  | 'archive'
  | 'all'
  | 'flagged'
  | 'important';

export interface MailboxInfo {
  readonly id: MailboxId;
  /** UTF-8, levels separated by '/', NFC; exactly 'INBOX' for the inbox. */
  readonly name: string;
  readonly role: MailboxRole | undefined;
  /** False: only a place in the hierarchy (\Noselect), it has no messages. */
  readonly selectable: boolean;
  readonly uidValidity: number;
  readonly uidNext: Uid;
  readonly highestModSeq: ModSeq;
  readonly messages: number;
  readonly unseen: number;
  readonly deleted: number;
  /** Sum of the messages' sizes. */
  readonly bytes: number;
  /** The mailbox's keyword table: index i is flag bit 5 + i (mail/flags.ts). Names flags read at the same moment (keyword-table.ts). */
  readonly keywords: readonly string[];
  /** What whoever asks may do with it. Without r the counters are zeros. */
  readonly rights: Rights;
}

export interface MailboxList {
  readonly mailboxes: readonly MailboxInfo[];
  /** Names; a subscription may outlive its mailbox (RFC 9051 6.3.7). */
  readonly subscriptions: readonly string[];
  readonly modSeq: ModSeq;
}

export interface OpenedMailbox {
  readonly info: MailboxInfo;
  /** Ascending. */
  readonly uids: Uint32Array;
  /** Messages with this UID or a higher one are \Recent to the session that opened with claimRecent, and to no other. */
  readonly recentFrom: Uid;
  /** The first message without \Seen; undefined when there is none (IMAP4rev1 [UNSEEN]). */
  readonly firstUnseen: Uid | undefined;
}

/** Parallel columns, ascending by uid. Sizes in bytes, dates in seconds since 1970 UTC. */
export interface MessageColumns {
  readonly uids: Uint32Array;
  readonly flagsLow: Uint32Array;
  readonly flagsHigh: Uint32Array;
  readonly modSeqs: Float64Array;
  readonly sizes: Uint32Array;
  readonly internalDates: Float64Array;
  readonly saveDates: Float64Array;
  readonly emailIds: Float64Array;
}

/** What flags of the columns mean is in the mailbox's table of the same moment. */
export interface MailboxColumns extends MessageColumns {
  readonly keywords: readonly string[];
}

/** Of columns what flags are told from. */
export type MessageFlags = Pick<MessageColumns, 'uids' | 'flagsLow' | 'flagsHigh' | 'modSeqs'>;

export interface MailboxChanges {
  /** False: the mailbox is gone (deleted); the other members are then empty. */
  readonly exists: boolean;
  readonly uidValidity: number;
  /** Up to which mod-sequence this is complete: the next `since`. */
  readonly modSeq: ModSeq;
  readonly uidNext: Uid;
  readonly keywords: readonly string[];
  /** Messages that are new or whose flags changed after `since`, that exist now. */
  readonly changed: MessageColumns;
  /** UIDs expunged after `since`, ascending. */
  readonly vanished: Uint32Array;
  /** True: tombstones before `since` were pruned, `vanished` may lack some: compare with the mailbox's UIDs. */
  readonly incomplete: boolean;
  /** As OpenedMailbox.recentFrom, of messages that the caller did not know. A node of before does not tell: then all of those. */
  readonly recentFrom?: Uid;
  /** As MailboxInfo.rights. */
  readonly rights: Rights;
}

export interface NewMessage {
  readonly prepared: PreparedMessage;
  /** Flag and keyword names. */
  readonly flags: readonly string[];
  /** Seconds since 1970 UTC; undefined: now. */
  readonly internalDate: number | undefined;
}

export type MailboxTarget =
  | { readonly id: MailboxId }
  | { readonly name: string }
  | { readonly role: MailboxRole };

export interface AppendOptions {
  readonly operation: OperationId;
  readonly target: MailboxTarget;
  /** All are stored, or none. */
  readonly messages: readonly NewMessage[];
  /** A delivery to a mailbox that is not there: the INBOX instead of noSuchMailbox. */
  readonly orInbox?: boolean;
  /** Of one message: it is stored only if the mailbox has none with the same bytes. Otherwise no uid is answered. */
  readonly ifNew?: boolean;
}

export interface ReplaceOptions extends AppendOptions {
  /** Goes in the same commit (RFC 8508); the quota counts what is added in the end. */
  readonly replaces: { readonly mailboxId: MailboxId; readonly uid: Uid };
}

export interface Appended {
  readonly mailboxId: MailboxId;
  readonly uidValidity: number;
  readonly uids: Uint32Array;
  readonly emailIds: Float64Array;
  readonly modSeq: ModSeq;
}

/** One of the pieces of a staged append: many messages that come into a mailbox all at once, or not at all. */
export interface StageOptions {
  readonly operation: OperationId;
  /** Of the whole, chosen by the caller. */
  readonly staging: OperationId;
  /** Where they are meant to go. */
  readonly target: MailboxTarget;
  /** How many messages were staged before this piece: 0 begins it. */
  readonly from: number;
  readonly messages: readonly NewMessage[];
}

export interface AppendStagedOptions {
  readonly operation: OperationId;
  readonly staging: OperationId;
  readonly target: MailboxTarget;
  /** How many were staged. */
  readonly messages: number;
}

export interface StoreFlagsOptions {
  readonly operation: OperationId;
  readonly mailboxId: MailboxId;
  readonly uids: Uint32Array;
  readonly mode: 'add' | 'remove' | 'replace';
  readonly flags: readonly string[];
  /** RFC 7162 UNCHANGEDSINCE: messages changed after it are left alone and returned in `modified`. */
  readonly unchangedSince: ModSeq | undefined;
}

export interface StoredFlags {
  /** The messages of `uids` that exist and were not left alone, with their flags now; modSeqs unchanged where nothing changed. */
  readonly messages: MessageFlags;
  readonly modified: Uint32Array;
  readonly keywords: readonly string[];
  /** UIDs that no longer exist. */
  readonly missing: Uint32Array;
  /** The mailbox's before this change: who knows it all up to there knows of every change but this one. */
  readonly modSeqBefore: ModSeq;
  /** The mailbox's with this change: after modSeqBefore and up to here nothing else happened in it. */
  readonly modSeqAfter: ModSeq;
}

export interface CopyOptions {
  readonly operation: OperationId;
  readonly from: MailboxId;
  readonly uids: Uint32Array;
  readonly to: MailboxTarget;
  /** Move: the sources are expunged in the same commit (RFC 6851). */
  readonly move: boolean;
}

export interface Copied {
  readonly to: MailboxId;
  readonly uidValidity: number;
  /** Parallel: source and destination UIDs, for those that existed. */
  readonly sourceUids: Uint32Array;
  readonly targetUids: Uint32Array;
  readonly modSeq: ModSeq;
}

export interface Expunged {
  readonly uids: Uint32Array;
  readonly modSeq: ModSeq;
}

export interface QuotaStatus {
  readonly bytesUsed: number;
  readonly messagesUsed: number;
  /** Undefined: no limit. */
  readonly bytesMax: number | undefined;
  readonly messagesMax: number | undefined;
}

/** Told after the change is durable. Says where to look, not what: ask changesSince. */
export type AccountEvent =
  | { readonly type: 'mailbox'; readonly mailboxId: MailboxId; readonly modSeq: ModSeq }
  | { readonly type: 'mailboxes'; readonly modSeq: ModSeq }
  /** Annotations were set or removed: the mailbox's or, with undefined, the account's own. A hint: what another node set may be missed when the account moves. */
  | {
      readonly type: 'annotations';
      readonly mailboxId: MailboxId | undefined;
      readonly names: readonly string[];
      readonly modSeq: ModSeq;
    }
  /** The account was deleted or disabled: sessions end. */
  | { readonly type: 'closed' };

export type SessionService = 'imap' | 'pop3';

/** The sessions that a watch serves. */
export interface WatchingSessions {
  readonly service: SessionService;
  /** How many there are now. */
  readonly count: () => number;
  /** Under which they logged in (Principal.sessionEpoch): they end when the account is met again and has another. */
  readonly epoch?: string | undefined;
}

export interface AccountPort {
  readonly accountId: AccountId;

  listMailboxes(): Promise<MailboxList>;
  /** One mailbox by id, name (INBOX in any letter case) or role; undefined when there is none. */
  findMailbox(target: MailboxTarget): Promise<MailboxInfo | undefined>;
  /** Missing superiors are created. Refuses: mailboxExists, invalidMailboxName, limitReached. */
  createMailbox(options: { operation: OperationId; name: string; role?: MailboxRole }): Promise<MailboxInfo>;
  /** Children move along. Renaming INBOX moves its messages into a new mailbox (RFC 9051 6.3.6). */
  renameMailbox(options: { operation: OperationId; from: string; to: string }): Promise<MailboxInfo>;
  /** A mailbox with children stays as a place (not selectable). INBOX: notSupported. */
  deleteMailbox(options: { operation: OperationId; name: string }): Promise<void>;
  setSubscribed(options: { operation: OperationId; name: string; subscribed: boolean }): Promise<void>;

  /**
   * `claimRecent`: what is \Recent becomes the caller's, under this id: at once and to nobody else, but on disk only soon after
   * (recent-claims.ts). Uids that are answered may be shared: not to be changed.
   */
  openMailbox(target: MailboxTarget, options: { claimRecent: OperationId | false }): Promise<OpenedMailbox>;
  /** Columns of the messages of `uids` that exist; of all when undefined. */
  columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<MailboxColumns>;
  /** The octets of every message as POP3 sends them. Reads no message for it. */
  sentSizes(mailboxId: MailboxId): Promise<Reads.SentSizes>;
  /** `claimRecent`: the caller tells a session what is \Recent of it, which becomes that session's as openMailbox has it. */
  changesSince(mailboxId: MailboxId, since: ModSeq, options?: Reads.ChangesOptions): Promise<MailboxChanges>;

  append(options: AppendOptions): Promise<Appended>;
  /** RFC 8508: an append that takes another message away. Refuses as append does, and with noSuchMessage when that one is gone. */
  replace(options: ReplaceOptions): Promise<Appended>;
  /**
   * Keeps messages where nobody sees them, until they are appended or discarded. What nobody goes on with is discarded after
   * some minutes. They count in the quota from now on. Refuses as append does, and with unavailable when what came before this
   * piece is not there any more.
   */
  stage(options: StageOptions): Promise<void>;
  /** All that was staged comes into the mailbox in one commit. Source UIDs: 1 for the first one. Refuses as stage and copy do. */
  appendStaged(options: AppendStagedOptions): Promise<Copied>;
  /** Nothing, when it was appended or discarded before: needs no id of its own. */
  discardStaged(options: { staging: OperationId }): Promise<void>;
  storeFlags(options: StoreFlagsOptions): Promise<StoredFlags>;
  copy(options: CopyOptions): Promise<Copied>;
  /** Removes those of `uids` (undefined: all) that have \Deleted, or, with `anyFlags`, all of them. */
  expunge(options: {
    operation: OperationId;
    mailboxId: MailboxId;
    uids: Uint32Array | undefined;
    anyFlags: boolean;
  }): Promise<Expunged>;

  /** In the order of `uids`; stops before the answer passes `bytesMax`, but always answers one. The caller goes on behind it. */
  readSummaries(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Reads.MessageSummary[]>;
  /** Of ascending `uids`; stops before the answer passes `bytesMax`, but always answers one. The caller goes on behind it. */
  readHeaderFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Reads.HeaderFieldsOptions,
  ): Promise<Reads.HeaderFields>;
  /** Whole messages in the order of `uids`, as many as fit in `bytesMax`, at least one (perhaps cut). */
  readMessages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Reads.MessageBytes[]>;
  /** A range of one message; undefined when it is gone; shorter at the message's end. */
  readRange(mailboxId: MailboxId, uid: Uid, range: Reads.ByteRange): Promise<Uint8Array | undefined>;

  /** UIDs that match, ascending. Sliced; does not see changes that come after it began. */
  search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array>;
  /** UIDs of the messages that match, in the order of the criteria. Sliced; sees one moment. Refuses: limitReached. */
  sort(mailboxId: MailboxId, options: Reads.SortOptions): Promise<Uint32Array>;
  /**
   * The messages that match in threads: pairs of depth (0 begins a thread) and UID, parents before children; UID 0 is a
   * message that is not there and stands above several.
   */
  thread(
    mailboxId: MailboxId,
    options: { readonly key: SearchKey; readonly algorithm: ThreadAlgorithm },
  ): Promise<Uint32Array>;

  searchIndex(): Promise<Reads.SearchIndexStatus>;
  /**
   * Throws the search index away, durably, and has it built again in the background; searches answer the same meanwhile. Done
   * twice it is built from the beginning again: needs no id of its own.
   */
  rebuildSearchIndex(): Promise<void>;

  /** RFC 5464: all of a mailbox, or, with undefined, the account's own; by name. Refuses: noSuchMailbox. */
  annotations(mailboxId: MailboxId | undefined): Promise<readonly Annotation[]>;
  /** Refuses: noSuchMailbox, messageTooLarge (a value), limitReached. */
  setAnnotations(options: SetAnnotationsOptions): Promise<ModSeq | undefined>;

  /** RFC 4314: who may do what with a mailbox; the owner first, by address. Refuses: noSuchMailbox. */
  acl(mailboxId: MailboxId): Promise<readonly AclEntry[]>;
  /** Refuses: noSuchMailbox, invalidArgument, permissionDenied (what the owner may do stays), limitReached. */
  setAcl(options: SetAclOptions): Promise<void>;
  /** Whose mailboxes are there for this account beside its own. */
  accountsSharedWithMe(): Promise<readonly SharedOwner[]>;

  quota(): Promise<QuotaStatus>;
  setQuota(options: SetQuotaOptions): Promise<void>;

  /**
   * Calls back after each durable change; the result ends it. `sessions`: who is counted as using the account by it; left
   * away, nobody.
   */
  watch(listener: (event: AccountEvent) => void, sessions?: WatchingSessions): () => void;
  /** POP3's maildrop lock (RFC 1939 section 4): refuses with inUse when another session has it. */
  lockMaildrop(): Promise<AsyncDisposable>;
}

/** RFC 5464. */
export interface Annotation {
  /** As `/private/comment`, in lower case. */
  readonly name: string;
  readonly value: Uint8Array;
}

export interface SetAnnotationsOptions {
  readonly operation: OperationId;
  /** Undefined: the account's own. */
  readonly mailboxId: MailboxId | undefined;
  /** All are made, or none. Undefined: removed. */
  readonly changes: readonly { readonly name: string; readonly value: Uint8Array | undefined }[];
}

export interface SetAclOptions {
  readonly operation: OperationId;
  readonly mailboxId: MailboxId;
  /** An address, `group=<name>` or `anyone`; with `-` before it: what it is refused. */
  readonly identifier: string;
  readonly mode: AclChangeMode;
  /** Letters; c and d stand for what they did in RFC 2086. None with `replace`: the entry goes. */
  readonly rights: string;
}

export interface SharedOwner {
  readonly accountId: AccountId;
  /** The primary one. */
  readonly address: string;
  /** Nobody's own: its mailboxes are in the shared namespace. */
  readonly shared: boolean;
}

export interface SetQuotaOptions {
  readonly operation: OperationId;
  /** Undefined: no limit. */
  readonly bytesMax: number | undefined;
  readonly messagesMax: number | undefined;
}

/** How speakers get accounts; in a cluster this finds the owner. Refuses: noSuchAccount, accountDisabled. */
export interface AccountPorts {
  /**
   * `actor`: who acts, when that is not the owner: the port then does what the mailboxes' lists let him (shared-account.ts).
   * Left away, everything: for the owner's own sessions, deliveries and administration.
   */
  open(accountId: AccountId, actor?: AccountId): Promise<AccountPort>;
}
