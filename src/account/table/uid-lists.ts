// Lists of uids and columns: in order, cut into chunks, put together again.

import type { MessageFlags } from '../port.ts';
import { pageOf, pagesRewrittenMax, pageUids } from './message-page.ts';

/** The uids in order, each once: the same array when it is so already. A uid named twice would be changed twice. */
export function ascending(uids: Uint32Array): Uint32Array {
  for (let index = 1; index < uids.length; index++) {
    if (uids[index - 1]! < uids[index]!) continue;
    const sorted = uids.slice().sort();
    return sorted.filter((uid, at) => at === 0 || uid !== sorted[at - 1]);
  }
  return uids;
}

/** The index of the first of ascending uids, `length` of them, that is not below `uid`. */
export function indexFrom(uids: Uint32Array, uid: number, length = uids.length): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (uids[middle]! < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** At least one chunk, perhaps empty. Views of `uids`. */
export function chunksOf(uids: Uint32Array, countMax: number): Uint32Array[] {
  const chunks: Uint32Array[] = [];
  for (let start = 0; start < uids.length || start === 0; start += countMax) {
    chunks.push(uids.subarray(start, start + countMax));
  }
  return chunks;
}

/** Messages of one page that cost as much as the page does, which is written whole. */
const messagesPerPageCost = 8;

/**
 * The same for changes that are written page by page (draft-rows.ts): as many messages as are in so few pages that writing
 * them costs no more than `countMax` messages one by one. By the uids alone, so that a retry has the same chunks.
 */
export function chunksByPage(uids: Uint32Array, countMax: number): Uint32Array[] {
  const chunks: Uint32Array[] = [];
  let start = 0;
  let pages = 0;
  for (let index = 0, pageEnd = 0; index < uids.length; index++) {
    if (uids[index]! < pageEnd) continue;
    pageEnd = (pageOf(uids[index]!) + 1) * pageUids;
    if (index - start >= countMax && pages * messagesPerPageCost >= countMax) {
      chunks.push(uids.subarray(start, index));
      start = index;
      pages = 0;
    }
    pages++;
  }
  chunks.push(uids.subarray(start));
  return chunks;
}

/** How many of ascending uids, from one on, can be taken out of a mailbox in one commit, which rewrites their pages. */
export function countTakenOut(uids: Uint32Array, start: number, countMax: number): number {
  const end = Math.min(uids.length, start + countMax);
  let pages = 0;
  let last = -1;
  for (let index = start; index < end; index++) {
    const page = pageOf(uids[index]!);
    if (page !== last && ++pages > pagesRewrittenMax) return index - start;
    last = page;
  }
  return end - start;
}

/** Whether a commit that took these out may have left some. */
export function isFullCommit(uids: Uint32Array, countMax: number): boolean {
  if (uids.length >= countMax) return true;
  let pages = 0;
  for (let index = 0; index < uids.length; index++)
    if (index === 0 || pageOf(uids[index]!) !== pageOf(uids[index - 1]!)) pages++;
  return pages >= pagesRewrittenMax;
}

/** As chunksOf, of messages that are taken out of a mailbox. By the uids alone, too. */
export function chunksTakenOut(uids: Uint32Array, countMax: number): Uint32Array[] {
  const chunks: Uint32Array[] = [];
  for (let start = 0; start < uids.length || start === 0; ) {
    const end = start + countTakenOut(uids, start, countMax);
    chunks.push(uids.subarray(start, end));
    if (end === uids.length) break;
    start = end;
  }
  return chunks;
}

export function concatUids(parts: readonly Uint32Array[]): Uint32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.length;
  }
  return all;
}

function concatDoubles(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.length;
  }
  return all;
}

export function concatFlags(parts: readonly MessageFlags[]): MessageFlags {
  return {
    uids: concatUids(parts.map((part) => part.uids)),
    flagsLow: concatUids(parts.map((part) => part.flagsLow)),
    flagsHigh: concatUids(parts.map((part) => part.flagsHigh)),
    modSeqs: concatDoubles(parts.map((part) => part.modSeqs)),
  };
}
