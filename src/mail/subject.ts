// Subjects for people, and the base subject that SORT and THREAD compare (RFC 5256 2.1).

import { decodeHeaderText } from './encoded-word.ts';

/** Longer subjects are compared by their beginning only; bounds the repeated stripping. */
const comparedLengthMax = 1000;

/** White space but a single space, which is what nearly all subjects have only. */
const uncollapsed = /\s{2,}|[^\S ]/g;

/** The decoded subject with white space collapsed; '' for an absent one. */
export function decodedSubject(raw: string | undefined): string {
  return raw === undefined ? '' : decodeHeaderText(raw).replace(uncollapsed, ' ').trim();
}

export interface BaseSubject {
  readonly text: string;
  /** A reply or forward: something that says so was taken off. */
  readonly isReply: boolean;
}

const trailer = /(?:\s|\(fwd\))+$/i;
/** subj-leader: blobs, then re/fw/fwd, a blob, a colon. */
const leader = /^\s*(?:\[[^[\]]*\]\s*)*(?:re|fwd?)\s*(?:\[[^[\]]*\]\s*)?:\s*/i;
const blob = /^\[[^[\]]*\]\s*(?=\S)/;
const forwarded = /^\[fwd:(.*)\]$/i;

/** RFC 5256 2.1, from the raw header value (unfolded, latin1). */
export function baseSubject(raw: string | undefined): BaseSubject {
  // (1)
  let text = decodedSubject(raw).slice(0, comparedLengthMax);
  let isReply = false;
  for (;;) {
    // (2)
    const stripped = withoutTrailer(text);
    if (stripped.length < text.length && /\(fwd\)/i.test(text.slice(stripped.length))) isReply = true;
    text = stripped;
    // (3) to (5)
    for (;;) {
      const match = leader.exec(text);
      if (match !== null) {
        isReply = true;
        text = text.slice(match[0].length);
        continue;
      }
      const withoutBlob = text.replace(blob, '');
      if (withoutBlob === text) break;
      text = withoutBlob;
    }
    // (6)
    const inner = forwarded.exec(text);
    if (inner === null) return { text: text.trim(), isReply };
    isReply = true;
    text = inner[1]!.trim();
  }
}

function withoutTrailer(text: string): string {
  return text.replace(trailer, '');
}
