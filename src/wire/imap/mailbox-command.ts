// Commands about mailboxes and the account, as typed values (command.ts): selecting, making, listing and watching mailboxes,
// their rights, annotations and quotas.

import type { AclChangeMode, Rights } from '../../mail/rights.ts';
import type { FetchItem } from './message-command.ts';
import type { SequenceSet } from './sequence-set.ts';
import type { Tagged } from './tagged-command.ts';

/** RFC 7162 3.2.5. */
export interface QresyncParameters {
  readonly uidValidity: number;
  readonly modSeq: number;
  /** Undefined: all UIDs. Never has `*` or `$`. */
  readonly knownUids: SequenceSet | undefined;
  /**
   * Message numbers and their UIDs, both ascending, of the same count as far as the client keeps the rule.
   */
  readonly match: { readonly sequences: SequenceSet; readonly uids: SequenceSet } | undefined;
}

export interface SelectCommand extends Tagged {
  readonly name: 'SELECT' | 'EXAMINE';
  readonly mailbox: string;
  readonly condstore: boolean;
  readonly qresync: QresyncParameters | undefined;
}

export interface CreateCommand extends Tagged {
  readonly name: 'CREATE';
  readonly mailbox: string;
  /**
   * RFC 6154 USE: attributes as `\\Drafts`, in the spelling of the RFC where it is known. Undefined: no USE.
   */
  readonly use: readonly string[] | undefined;
}

/** Commands whose one argument is a mailbox name. */
export interface MailboxCommand extends Tagged {
  readonly name: 'DELETE' | 'SUBSCRIBE' | 'UNSUBSCRIBE';
  readonly mailbox: string;
}

export interface RenameCommand extends Tagged {
  readonly name: 'RENAME';
  readonly from: string;
  readonly to: string;
}

/**
 * RFC 3501 6.3.11, RFC 7162, RFC 8438 and RFC 9051 (SIZE, DELETED), RFC 8474 (MAILBOXID), RFC 7889
 * (APPENDLIMIT).
 */
export type StatusItem =
  | 'MESSAGES'
  | 'RECENT'
  | 'UIDNEXT'
  | 'UIDVALIDITY'
  | 'UNSEEN'
  | 'DELETED'
  | 'SIZE'
  | 'HIGHESTMODSEQ'
  | 'MAILBOXID'
  | 'APPENDLIMIT'
  /** RFC 9208. */
  | 'DELETED-STORAGE';

export interface StatusCommand extends Tagged {
  readonly name: 'STATUS';
  readonly mailbox: string;
  /** In the client's order, each once. */
  readonly items: readonly StatusItem[];
}

/** RFC 5258, RFC 6154. */
export interface ListCommand extends Tagged {
  readonly name: 'LIST';
  readonly reference: string;
  /** At least one; '' alone asks for the hierarchy delimiter. `*` and `%` are wildcards. */
  readonly patterns: readonly string[];
  readonly select: {
    readonly subscribed: boolean;
    readonly remote: boolean;
    readonly recursiveMatch: boolean;
    readonly specialUse: boolean;
  };
  readonly return: {
    readonly subscribed: boolean;
    readonly children: boolean;
    readonly specialUse: boolean;
    /** RFC 8440. */
    readonly myRights: boolean;
    /** RFC 5819. Undefined: no STATUS asked. */
    readonly status: readonly StatusItem[] | undefined;
    /** RFC 9590: entry names. Undefined: no METADATA asked. */
    readonly metadata: readonly string[] | undefined;
  };
  /** The client used RFC 5258 syntax (selection or return options, or several patterns). */
  readonly extended: boolean;
}

export interface LsubCommand extends Tagged {
  readonly name: 'LSUB';
  readonly reference: string;
  readonly pattern: string;
}

/** RFC 5465. NONE has neither `selected` nor groups. */
export interface NotifyCommand extends Tagged {
  readonly name: 'NOTIFY';
  /** STATUS of the mailboxes is told at once. */
  readonly status: boolean;
  /** Undefined: nothing of the selected mailbox. */
  readonly selected: NotifySelected | undefined;
  readonly groups: readonly NotifyGroup[];
}

export interface NotifySelected {
  /** SELECTED-DELAYED: expunges wait for a command that may tell them. */
  readonly delayed: boolean;
  /** MessageNew and MessageExpunge. */
  readonly messages: boolean;
  readonly flags: boolean;
  /** What is told of new messages. */
  readonly fetch: readonly FetchItem[] | undefined;
}

export interface NotifyGroup {
  readonly mailboxes:
    | { readonly type: 'inboxes' | 'personal' | 'subscribed' }
    | { readonly type: 'subtree' | 'mailboxes'; readonly names: readonly string[] };
  readonly messages: boolean;
  readonly flags: boolean;
  readonly names: boolean;
  readonly subscriptions: boolean;
  readonly metadata: boolean;
  readonly serverMetadata: boolean;
}

/** RFC 9208 4.1.1. */
export interface GetQuotaCommand extends Tagged {
  readonly name: 'GETQUOTA';
  readonly root: string;
}

/** RFC 9208 4.1.2. */
export interface GetQuotaRootCommand extends Tagged {
  readonly name: 'GETQUOTAROOT';
  readonly mailbox: string;
}

/** RFC 9208 4.1.3. */
export interface SetQuotaCommand extends Tagged {
  readonly name: 'SETQUOTA';
  readonly root: string;
  /** Each resource once, in upper case; perhaps none. */
  readonly limits: ReadonlyMap<string, number>;
}

/** RFC 4314 3.1. */
export interface SetAclCommand extends Tagged {
  readonly name: 'SETACL';
  readonly mailbox: string;
  readonly identifier: string;
  readonly mode: AclChangeMode;
  readonly rights: Rights;
}

/** RFC 4314 3.2, 3.4. */
export interface IdentifierCommand extends Tagged {
  readonly name: 'DELETEACL' | 'LISTRIGHTS';
  readonly mailbox: string;
  readonly identifier: string;
}

/** RFC 4314 3.3, 3.5. */
export interface GetRightsCommand extends Tagged {
  readonly name: 'GETACL' | 'MYRIGHTS';
  readonly mailbox: string;
}

/** RFC 5464 4.2. */
export interface GetMetadataCommand extends Tagged {
  readonly name: 'GETMETADATA';
  /** '': the server. */
  readonly mailbox: string;
  /** Longer values are left out. */
  readonly maxSize: number | undefined;
  /** Levels below the entries that are asked for too. */
  readonly depth: 0 | 1 | 'infinity';
  /** In lower case. */
  readonly entries: readonly string[];
}

/** RFC 5464 4.3. */
export interface SetMetadataCommand extends Tagged {
  readonly name: 'SETMETADATA';
  /** '': the server. */
  readonly mailbox: string;
  /** Names in lower case; undefined: removed. */
  readonly changes: readonly { readonly name: string; readonly value: Buffer | undefined }[];
}
