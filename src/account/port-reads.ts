// What reads of messages through the account port (port.ts) are asked with, and what they answer.
// Invariant: plain data and bytes, in pieces of bounded size.

import type { EmailId, ThreadId, Uid } from '../mail/ids.ts';
import type { SortCriterion } from '../mail/message-order.ts';
import type { SearchKey } from '../mail/search-key.ts';

export interface ChangesOptions {
  readonly claimRecent: boolean;
}

/** Which part of a message's bytes; offsets are into the message as it came. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface MessageBytes {
  readonly uid: Uid;
  /** The bytes from offset 0; shorter than `size` when they would not fit: pull the rest by readRange. Undefined: expunged. */
  readonly bytes: Uint8Array | undefined;
  readonly size: number;
  /** True: there is no NUL in the whole message. False: there may be. */
  readonly isNulFree: boolean;
}

export interface MessageSummary {
  readonly uid: Uid;
  readonly emailId: EmailId;
  readonly threadId: ThreadId;
  /** The encoded summary (summary.ts), undefined when the message is gone. */
  readonly summary: Uint8Array | undefined;
  /** As MessageBytes.isNulFree. */
  readonly isNulFree: boolean;
}

/** Which fields of headers, as IMAP's HEADER.FIELDS and HEADER.FIELDS.NOT say it. */
export interface HeaderFieldsChoice {
  /** In lower case. */
  readonly names: readonly string[];
  /** False: all fields but these. */
  readonly matching: boolean;
}

export interface HeaderFieldsOptions {
  readonly choice: HeaderFieldsChoice;
  readonly bytesMax: number;
}

/** Fields of the headers of several messages, one message behind the other. */
export interface HeaderFields {
  /** How many of the uids asked for this answers, from the first on. */
  readonly answered: number;
  /** Those of them that exist. */
  readonly uids: Uint32Array;
  /** Where the fields of each end in `bytes`. */
  readonly ends: Uint32Array;
  /** The fields as they came, with a blank line behind each message's (RFC 9051 6.4.5). */
  readonly bytes: Uint8Array;
}

/** Parallel, ascending by uid. Octets with every line ended by CRLF (RFC 1939 section 11). */
export interface SentSizes {
  readonly uids: Uint32Array;
  readonly sizes: Uint32Array;
  /** For clients without UTF-8, whose headers are replaced where they need it (RFC 6856 section 2.1). */
  readonly surrogateSizes: Uint32Array;
}

export interface SearchIndexStatus {
  /** Of the account. */
  readonly messages: number;
  /** Those of them that are not indexed, and are searched by reading them. At the most: expunged ones may count. */
  readonly waiting: number;
  /** Messages are being indexed, or will be at once. Few messages wait until more come. */
  readonly isBuilding: boolean;
  readonly segments: number;
  /** In the store. */
  readonly bytes: number;
  /** Of its format: an index of another one is built again by itself. */
  readonly version: number;
}

export interface SortOptions {
  readonly key: SearchKey;
  /** At least one; equal messages stand in the mailbox's order. */
  readonly criteria: readonly SortCriterion[];
  /** What counts as most relevant, for that criterion. */
  readonly favoured: SearchKey | undefined;
}
