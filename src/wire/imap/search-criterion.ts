// What SEARCH asks, as the client wrote it: the tree of RFC 9051 6.4.4 keys, with message numbers and UIDs
// still in sequence sets. A session translates it to mail/search-key.ts, where only UIDs are known.

import type { SequenceSet } from './sequence-set.ts';

/** Days count in UTC from 1970-01-01; sizes are bytes; texts are decoded and may be empty. */
export type SearchCriterion =
  | { readonly type: 'all' }
  /** IMAP4rev1 session flags. NEW is (RECENT UNSEEN), OLD is NOT RECENT: both are translated so. */
  | { readonly type: 'recent' }
  | { readonly type: 'and'; readonly keys: readonly SearchCriterion[] }
  | { readonly type: 'or'; readonly keys: readonly SearchCriterion[] }
  | { readonly type: 'not'; readonly key: SearchCriterion }
  /** RFC 6203: texts in it may match in a looser way. */
  | { readonly type: 'fuzzy'; readonly key: SearchCriterion }
  /** A system flag (`\\Seen`) or a keyword. */
  | { readonly type: 'flag'; readonly name: string; readonly set: boolean }
  | { readonly type: 'sequence' | 'uid'; readonly set: SequenceSet }
  | { readonly type: 'largerThan' | 'smallerThan'; readonly bytes: number }
  | {
      readonly type: 'date';
      readonly of: 'internal' | 'sent' | 'saved';
      readonly compare: 'before' | 'on' | 'since';
      readonly day: number;
    }
  /** RFC 5032: age against the internal date, in seconds. */
  | { readonly type: 'older' | 'younger'; readonly seconds: number }
  /** Also BCC, CC, FROM, SUBJECT, TO. The field's name in lower case; text '' asks for its presence. */
  | { readonly type: 'header'; readonly field: string; readonly text: string }
  | { readonly type: 'body' | 'text'; readonly text: string }
  /**
   * RFC 7162 3.1.5: changed at or after. The entry name and type are parsed and dropped: one counter serves
   * all flags.
   */
  | { readonly type: 'modSeqSince'; readonly modSeq: number }
  /** RFC 8474: the opaque identifier as sent. */
  | { readonly type: 'emailId' | 'threadId'; readonly id: string }
  /** RFC 8514: true for all messages of a mailbox that keeps save dates. */
  | { readonly type: 'saveDateSupported' }
  /** RFC 5466: what is kept under this name, as sent. */
  | { readonly type: 'filter'; readonly name: string };

/** Whether a key of one of these types is anywhere in the tree. */
export function hasCriterion(criterion: SearchCriterion, types: readonly SearchCriterion['type'][]): boolean {
  if (types.includes(criterion.type)) return true;
  if ('keys' in criterion) return criterion.keys.some((key) => hasCriterion(key, types));
  return 'key' in criterion && hasCriterion(criterion.key, types);
}
