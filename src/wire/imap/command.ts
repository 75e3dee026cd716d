// The commands of an IMAP client as typed values, a union by `name`: RFC 3501, RFC 9051, and the extensions
// named at the members. Plain data: strings are decoded (UTF-8, modified UTF-7 for mailbox names), numbers
// are numbers, and nothing here knows a session's state; whether a command is allowed now is the speaker's to
// say.
// What is not one of these never becomes a command: the parser throws ImapSyntaxError (imap-syntax-error.ts).

import type { SortCriterion, ThreadAlgorithm } from '../../mail/message-order.ts';
import type { BodySection } from './body-section.ts';
import type { ImapMessageUrl } from './imap-url.ts';
import type { SearchCriterion } from './search-criterion.ts';
import type { SequenceSet } from './sequence-set.ts';

interface Tagged {
  /** The client's own text, 1..n characters of ASTRING-CHAR without '+': safe to write back as it is. */
  readonly tag: string;
}

/** Commands without arguments. CHECK and IMAP4rev1's others stay while rev1 is offered. */
export interface PlainCommand extends Tagged {
  readonly name:
    | 'CAPABILITY'
    | 'NOOP'
    | 'LOGOUT'
    | 'STARTTLS'
    | 'CHECK'
    | 'CLOSE'
    /** RFC 3691. */
    | 'UNSELECT'
    /** RFC 8437. */
    | 'UNAUTHENTICATE'
    /** RFC 2177. What follows until DONE is not a command: see continuation-line.ts. */
    | 'IDLE'
    /** RFC 2342. */
    | 'NAMESPACE';
}

export interface LoginCommand extends Tagged {
  readonly name: 'LOGIN';
  readonly user: string;
  readonly password: string;
}

export interface AuthenticateCommand extends Tagged {
  readonly name: 'AUTHENTICATE';
  /** Upper case. */
  readonly mechanism: string;
  /** Decoded SASL-IR (RFC 4959), empty for '='; undefined: the client waits for a challenge. */
  readonly initialResponse: Buffer | undefined;
}

/** RFC 4978. */
export interface CompressCommand extends Tagged {
  readonly name: 'COMPRESS';
  /** Upper case. */
  readonly mechanism: string;
}

/** RFC 2971. Undefined for NIL. At most 30 pairs. */
export interface IdCommand extends Tagged {
  readonly name: 'ID';
  readonly fields: readonly (readonly [name: string, value: string | undefined])[] | undefined;
}

/** RFC 5161. Upper case. */
export interface EnableCommand extends Tagged {
  readonly name: 'ENABLE';
  readonly capabilities: readonly string[];
}

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
    /** RFC 5819. Undefined: no STATUS asked. */
    readonly status: readonly StatusItem[] | undefined;
    /** RFC 9590: entry names. Undefined: no METADATA asked. */
    readonly metadata: readonly string[] | undefined;
  };
  /** The client used RFC 5258 syntax (selection or return options, or several patterns). */
  readonly extended: boolean;
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

export interface LsubCommand extends Tagged {
  readonly name: 'LSUB';
  readonly reference: string;
  readonly pattern: string;
}

export interface AppendMessage {
  /** System flags in the RFC's spelling, keywords as sent; without repetition. */
  readonly flags: readonly string[];
  /** Seconds since 1970 UTC. Undefined: now. */
  readonly internalDate: number | undefined;
  /** The message as it came; the sum of the lengths is `size`. */
  readonly chunks: readonly Buffer[];
  readonly size: number;
  /** `~{n}`: may hold NUL (RFC 3516). */
  readonly literal8: boolean;
  /** `UTF8 (~{n} …)` (RFC 6855). */
  readonly utf8: boolean;
  /** RFC 4469: what the message is put together from, `chunks` is empty then; `size` is that of the literals. */
  readonly catenate: readonly CatenatePart[] | undefined;
}

/** A literal's octets, or what a URL names; `url` undefined: it names nothing we have. */
export type CatenatePart =
  | { readonly chunks: readonly Buffer[]; readonly size: number }
  | { readonly text: string; readonly url: ImapMessageUrl | undefined };

export interface AppendCommand extends Tagged {
  readonly name: 'APPEND';
  readonly mailbox: string;
  /** One; more with RFC 3502 MULTIAPPEND. */
  readonly messages: readonly AppendMessage[];
}

/** RFC 8508. */
export interface ReplaceCommand extends Tagged {
  readonly name: 'REPLACE';
  readonly uid: boolean;
  /** One number, perhaps `*`. */
  readonly set: SequenceSet;
  readonly mailbox: string;
  /** One. */
  readonly messages: readonly AppendMessage[];
}

export interface ExpungeCommand extends Tagged {
  readonly name: 'EXPUNGE';
  /** UID EXPUNGE (RFC 4315); `set` is there exactly then. */
  readonly uid: boolean;
  readonly set: SequenceSet | undefined;
}

/** RFC 9394: positions in a result, from 1, `from` not above `to`. */
export interface PartialRange {
  readonly from: number;
  readonly to: number;
  /** Counted from the end: 1 is the last. */
  readonly fromEnd: boolean;
  /** As the client wrote it: digits, '-' and ':'. */
  readonly text: string;
}

/** RFC 4731, RFC 5182, RFC 5267, RFC 6203, RFC 9394. `RETURN ()` is parsed as ALL. */
export interface SearchReturn {
  readonly min: boolean;
  readonly max: boolean;
  readonly all: boolean;
  readonly count: boolean;
  readonly save: boolean;
  /** Never with `all`. */
  readonly partial: PartialRange | undefined;
  /** Only with a FUZZY key. */
  readonly relevancy: boolean;
  readonly update: boolean;
}

/** What is searched for. */
export interface SearchProgram {
  readonly key: SearchCriterion;
  /**
   * A MODSEQ key is in it: the answer tells the highest mod-sequence, and CONDSTORE is enabled (RFC 7162
   * 3.1.5).
   */
  readonly usesModSeq: boolean;
  /** A FUZZY key is in it. */
  readonly usesFuzzy: boolean;
}

export interface SearchArguments extends SearchProgram {
  /** Undefined: no RETURN (a SEARCH response in rev1, ESEARCH ALL in rev2). */
  readonly return: SearchReturn | undefined;
}

export interface SearchCommand extends Tagged, SearchArguments {
  readonly name: 'SEARCH';
  readonly uid: boolean;
}

/** RFC 5256, RFC 5267, RFC 5957. */
export interface SortCommand extends Tagged, SearchArguments {
  readonly name: 'SORT';
  readonly uid: boolean;
  readonly criteria: readonly SortCriterion[];
}

/** RFC 5256. */
export interface ThreadCommand extends Tagged, SearchProgram {
  readonly name: 'THREAD';
  readonly uid: boolean;
  readonly algorithm: ThreadAlgorithm;
}

/** RFC 7377 2.2. */
export type SearchSource =
  | { readonly type: 'selected' | 'inboxes' | 'personal' | 'subscribed' }
  | { readonly type: 'mailboxes' | 'subtree' | 'subtreeOne'; readonly mailboxes: readonly string[] };

/** RFC 7377. */
export interface MultisearchCommand extends Tagged, SearchArguments {
  readonly name: 'ESEARCH';
  /** Undefined: the selected mailbox. */
  readonly sources: readonly SearchSource[] | undefined;
}

/** RFC 5267 4.3.5. */
export interface CancelUpdateCommand extends Tagged {
  readonly name: 'CANCELUPDATE';
  /** As sent. */
  readonly tags: readonly string[];
}

/** Response labels are ready to write: latin1, one char a byte, no line ends. */
export type FetchItem =
  | {
      readonly type:
        | 'envelope'
        | 'flags'
        | 'internalDate'
        | 'size'
        /** BODY without a section: the structure without extension data. */
        | 'body'
        | 'bodyStructure'
        | 'uid'
        /** RFC 7162. */
        | 'modSeq'
        /** RFC 8474. */
        | 'emailId'
        | 'threadId'
        /** RFC 8514. */
        | 'saveDate'
        /** RFC 8970. */
        | 'preview';
      /** As `RFC822.SIZE`. */
      readonly label: string;
    }
  | {
      /** Also RFC822, RFC822.HEADER and RFC822.TEXT, told apart by their labels only. */
      readonly type: 'section';
      /** False: sets \Seen. */
      readonly peek: boolean;
      readonly section: BodySection;
      readonly partial: Partial | undefined;
      /** As `BODY[1.HEADER.FIELDS (From)]<0>`. */
      readonly label: string;
    }
  | {
      /** RFC 3516, RFC 9051: the decoded content of a part. `part` empty: the message. */
      readonly type: 'binary';
      readonly peek: boolean;
      readonly part: readonly number[];
      readonly partial: Partial | undefined;
      readonly label: string;
    }
  | { readonly type: 'binarySize'; readonly part: readonly number[]; readonly label: string };

/** `<offset.bytes>`; bytes ≥ 1. */
export interface Partial {
  readonly offset: number;
  readonly bytes: number;
}

export interface FetchCommand extends Tagged {
  readonly name: 'FETCH';
  readonly uid: boolean;
  readonly set: SequenceSet;
  /**
   * Macros are expanded, repetitions dropped. UID FETCH has a uid item (RFC 9051 6.4.9) and CHANGEDSINCE a modSeq
   * item (RFC 7162 3.1.4.1), asked for or not.
   */
  readonly items: readonly FetchItem[];
  readonly changedSince: number | undefined;
  /** RFC 7162 3.2.6; only with uid and changedSince. */
  readonly vanished: boolean;
  /** RFC 9394 3.3; only with uid. */
  readonly partial: PartialRange | undefined;
}

export interface StoreCommand extends Tagged {
  readonly name: 'STORE';
  readonly uid: boolean;
  readonly set: SequenceSet;
  readonly mode: 'add' | 'remove' | 'replace';
  readonly silent: boolean;
  /** System flags in the RFC's spelling, keywords as sent; without repetition. */
  readonly flags: readonly string[];
  /** RFC 7162 3.1.3; may be 0. */
  readonly unchangedSince: number | undefined;
}

/** MOVE: RFC 6851. */
export interface CopyCommand extends Tagged {
  readonly name: 'COPY' | 'MOVE';
  readonly uid: boolean;
  readonly set: SequenceSet;
  readonly mailbox: string;
}

export type Command =
  | PlainCommand
  | LoginCommand
  | AuthenticateCommand
  | CompressCommand
  | IdCommand
  | EnableCommand
  | SelectCommand
  | CreateCommand
  | MailboxCommand
  | RenameCommand
  | StatusCommand
  | ListCommand
  | NotifyCommand
  | GetMetadataCommand
  | SetMetadataCommand
  | GetQuotaCommand
  | GetQuotaRootCommand
  | LsubCommand
  | AppendCommand
  | ReplaceCommand
  | ExpungeCommand
  | SearchCommand
  | SortCommand
  | ThreadCommand
  | MultisearchCommand
  | CancelUpdateCommand
  | FetchCommand
  | StoreCommand
  | CopyCommand;

export type CommandName = Command['name'];

/** The member of the union with this name: `CommandNamed<'FETCH'>`. */
export type CommandNamed<Name extends CommandName> = Extract<Command, { readonly name: Name }>;
