// ESEARCH and SEARCH responses (RFC 9051 7.3.4, RFC 4731, RFC 3501 7.2.5). Lines with CRLF; latin1.

import { formatString } from './format-string.ts';
import { formatSequenceSet } from './sequence-set.ts';

export interface EsearchResult {
  readonly tag: string;
  /** The numbers are UIDs. */
  readonly uid: boolean;
  /** Each is written when it is there; leave min, max and all out when nothing matched. */
  readonly min?: number;
  readonly max?: number;
  readonly count?: number;
  /** Ascending. */
  readonly all?: Uint32Array;
  /** The highest mod-sequence of what is told, when the search asked by MODSEQ (RFC 7162 3.1.10). */
  readonly modSeq?: number;
}

export function formatEsearch(result: EsearchResult): string {
  let text = `* ESEARCH (TAG ${formatString(result.tag)})`;
  if (result.uid) text += ' UID';
  if (result.min !== undefined) text += ` MIN ${result.min}`;
  if (result.max !== undefined) text += ` MAX ${result.max}`;
  if (result.count !== undefined) text += ` COUNT ${result.count}`;
  if (result.all !== undefined && result.all.length > 0) text += ` ALL ${formatSequenceSet(result.all)}`;
  if (result.modSeq !== undefined) text += ` MODSEQ ${result.modSeq}`;
  return `${text}\r\n`;
}

/** `* SEARCH 2 84 882`; the mod-sequence only with matches (RFC 7162 3.1.5). */
export function formatSearch(numbers: Uint32Array, modSeq?: number): string {
  if (numbers.length === 0) return '* SEARCH\r\n';
  return `* SEARCH ${numbers.join(' ')}${modSeq === undefined ? '' : ` (MODSEQ ${modSeq})`}\r\n`;
}
