// What a search asks, without any protocol's words: speakers translate to it (IMAP SEARCH, JMAP Email/query), the
// account host evaluates it. Plain data, so it crosses links.

/** Days are counted in UTC from 1970-01-01. Sizes are bytes. Strings are matched as substrings, case-insensitively. */
export type SearchKey =
  | { readonly type: 'all' }
  | { readonly type: 'and' | 'or'; readonly keys: readonly SearchKey[] }
  | { readonly type: 'not'; readonly key: SearchKey }
  /** Flag or keyword name in any letter case; `set` false asks for its absence. */
  | { readonly type: 'flag'; readonly name: string; readonly set: boolean }
  /** Ascending, non-overlapping, inclusive pairs: [first, last, first, last …]. */
  | { readonly type: 'uids'; readonly ranges: readonly number[] }
  | { readonly type: 'largerThan' | 'smallerThan'; readonly bytes: number }
  /** Internal date, save date, or the Date header's day, as days since the epoch: before (<), on (=), since (>=). */
  | {
      readonly type: 'date';
      readonly of: 'internal' | 'sent' | 'saved';
      readonly compare: 'before' | 'on' | 'since';
      readonly day: number;
    }
  /** A substring of a header field's decoded value; '' asks for the field's presence. */
  | { readonly type: 'header'; readonly field: string; readonly text: string }
  /** Body: decoded text of the parts. Text: the same and the headers. */
  | { readonly type: 'body' | 'text'; readonly text: string }
  | { readonly type: 'modSeqSince'; readonly modSeq: number }
  /** RFC 8474. */
  | { readonly type: 'emailId'; readonly emailId: number }
  | { readonly type: 'threadId'; readonly threadId: number };

/** Deeper nesting than this is refused by the parsers: the evaluator recurses. */
export const searchDepthMax = 50;
/** Every key may cost one pass over a mailbox. */
export const searchKeysMax = 1000;
