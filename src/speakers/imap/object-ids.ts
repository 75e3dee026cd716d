// Identifiers as clients see them (RFC 8474): a letter that tells the kind, then our number. The letters keep them
// apart, and keep a purely numeric id from looking like a UID.

import type { MailboxId } from '../../mail/ids.ts';

export function mailboxIdText(id: MailboxId): string {
  return `F${id}`;
}

export function emailIdText(id: number): string {
  return `M${id}`;
}

export function threadIdText(id: number): string {
  return `T${id}`;
}

/** The number behind the letter; undefined when it is none of ours: it then matches no message. */
export function parseObjectId(text: string, letter: 'M' | 'T'): number | undefined {
  if (!text.startsWith(letter) || !/^[1-9][0-9]{0,15}$/.test(text.slice(1))) return undefined;
  return Number(text.slice(1));
}
