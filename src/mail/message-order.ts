// In what order messages are asked for, and how they are threaded, without any protocol's words. Plain data.

/** RFC 5256 section 3, RFC 5957, RFC 6203 section 5 (relevancy: those that match `favoured` first). */
export const sortFields = [
  'arrival',
  'cc',
  'date',
  'from',
  'size',
  'subject',
  'to',
  'displayFrom',
  'displayTo',
  'relevancy',
] as const;
export type SortField = (typeof sortFields)[number];

export interface SortCriterion {
  readonly field: SortField;
  readonly reverse: boolean;
}

/** More say nothing new: there are ten fields. */
export const sortCriteriaMax = 20;

/** RFC 5256 section 3; REFS is REFERENCES without subjects, the thread with the latest message last (as Dovecot does). */
export const threadAlgorithms = ['orderedSubject', 'references', 'refs'] as const;
export type ThreadAlgorithm = (typeof threadAlgorithms)[number];
