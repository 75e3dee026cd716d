// IMAP section numbers to byte ranges (RFC 9051 6.4.5): BODY[], BODY[HEADER], BODY[TEXT], BODY[1.2], BODY[1.2.MIME],
// BODY[2.HEADER], BODY[2.TEXT]. HEADER.FIELDS is the header's range with selectedFields on it.

import type { MessagePart, MessageStructure } from './structure.ts';

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type SectionText = 'HEADER' | 'TEXT' | 'MIME';

const sectionPattern = /^(?:([1-9]\d{0,8}(?:\.[1-9]\d{0,8})*)(?:\.(HEADER|TEXT|MIME))?|(HEADER|TEXT))?$/i;

/** The range of a section written as in the command ("", "1.2", "2.HEADER"); undefined when there is no such part. */
export function sectionRange(structure: MessageStructure, section: string): ByteRange | undefined {
  const match = sectionPattern.exec(section);
  if (match === null) return undefined;
  const numbers = match[1] === undefined ? [] : match[1].split('.').map(Number);
  return numberedRange(structure, numbers, (match[2] ?? match[3])?.toUpperCase() as SectionText | undefined);
}

/** The same for a section that was parsed already. */
export function numberedRange(
  structure: MessageStructure,
  numbers: readonly number[],
  text?: SectionText,
): ByteRange | undefined {
  if (numbers.length === 0) {
    if (text === undefined) return { start: 0, end: structure.size };
    return text === 'MIME' ? undefined : messageText(structure.root, text);
  }
  const part = partAt(structure, numbers);
  if (part === undefined) return undefined;
  if (text === undefined) return { start: part.bodyStart, end: part.bodyEnd };
  if (text === 'MIME') return { start: part.headerStart, end: part.headerEnd };
  // HEADER and TEXT of a part are those of the message in it.
  return part.message === undefined ? undefined : messageText(part.message.root, text);
}

function messageText(root: MessagePart, text: 'HEADER' | 'TEXT'): ByteRange {
  if (text === 'HEADER') return { start: root.headerStart, end: root.headerEnd };
  return { start: root.bodyStart, end: root.bodyEnd };
}

/** The part with that number; undefined when there is none. */
export function partAt(structure: MessageStructure, numbers: readonly number[]): MessagePart | undefined {
  let part = numberedIn(structure.root, numbers[0] ?? 0);
  for (let index = 1; index < numbers.length && part !== undefined; index++) {
    const container: MessagePart | undefined = part.type === 'multipart' ? part : part.message?.root;
    part = container && numberedIn(container, numbers[index]!);
  }
  return part;
}

/** A message that is no multipart has one part, itself (RFC 9051 6.4.5). */
function numberedIn(root: MessagePart, number: number): MessagePart | undefined {
  if (root.type === 'multipart') return root.children[number - 1];
  return number === 1 ? root : undefined;
}
