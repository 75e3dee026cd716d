// Commands that look for messages and put them in order, as typed values (command.ts).

import type { SortCriterion, ThreadAlgorithm } from '../../mail/message-order.ts';
import type { SearchCriterion } from './search-criterion.ts';
import type { Tagged } from './tagged-command.ts';

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
