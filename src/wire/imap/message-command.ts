// Commands about messages, as typed values (command.ts): storing, fetching, flagging, copying and removing them.

import type { BodySection } from './body-section.ts';
import type { ImapMessageUrl } from './imap-url.ts';
import type { PartialRange } from './search-command.ts';
import type { SequenceSet } from './sequence-set.ts';
import type { Tagged } from './tagged-command.ts';

export interface AppendMessage {
  /** System flags in the RFC's spelling, keywords as sent; without repetition. */
  readonly flags: readonly string[];
  /** Seconds since 1970 UTC. Undefined: now. */
  readonly internalDate: number | undefined;
  /** The message as it came; the sum of the lengths is `size`. */
  readonly chunks: readonly Buffer[];
  readonly size: number;
  /** `~{n}`: may hold NUL (RFC 3516). Of what is put together: one of its literals at least. */
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

/** Response labels are ready to write: latin1, one char a byte, no line ends. */
export type FetchItem =
  /** `implied`: UID FETCH has it without being asked for it. */
  | { readonly type: 'uid'; readonly label: string; readonly implied: boolean }
  | {
      readonly type:
        | 'envelope'
        | 'flags'
        | 'internalDate'
        | 'size'
        /** BODY without a section: the structure without extension data. */
        | 'body'
        | 'bodyStructure'
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
