// What an account of a running server holds, over the admin API: how tests put mail there and see what a client did to it
// without trusting that client.

import type { AdminClient } from '../src/operator/admin-client.ts';
import { addressOf } from './server-process.ts';

export interface MailboxRow {
  readonly id: number;
  readonly name: string;
  readonly role: string | null;
  readonly messages: number;
  readonly unseen: number;
  readonly subscribed: boolean;
}

export interface MessageRow {
  readonly uid: number;
  readonly flags: readonly string[];
  /** Seconds since 1970 UTC. */
  readonly internalDate: number;
  readonly bytes: number;
}

export interface NewMessage {
  readonly bytes: string | Uint8Array;
  /** Default INBOX; made when it is not there. */
  readonly mailbox?: string;
  readonly flags?: readonly string[];
  readonly date?: number;
}

const pathOf = (user: string): string => `/api/accounts/${encodeURIComponent(addressOf(user))}`;

export async function storeMessage(admin: AdminClient, user: string, message: NewMessage): Promise<number> {
  const { bytes, mailbox, flags, date } = message;
  const query = { mailbox, flags: flags?.join(','), date };
  const path = `${pathOf(user)}/messages`;
  const stored = await admin.call<{ uid: number }>({
    method: 'POST',
    path,
    query,
    body: Buffer.from(bytes),
  });
  return stored.uid;
}

export async function mailboxesOf(admin: AdminClient, user: string): Promise<MailboxRow[]> {
  return (await admin.call<{ items: MailboxRow[] }>({ path: `${pathOf(user)}/mailboxes` })).items;
}

/** By UID; none when there is no such mailbox. */
export async function messagesOf(admin: AdminClient, user: string, mailbox = 'INBOX'): Promise<MessageRow[]> {
  const found = (await mailboxesOf(admin, user)).find(({ name }) => name === mailbox);
  if (found === undefined) return [];
  return Array.fromAsync(admin.items<MessageRow>(`${pathOf(user)}/mailboxes/${found.id}/messages`));
}

export async function bytesOf(
  admin: AdminClient,
  user: string,
  { mailbox = 'INBOX', uid }: { mailbox?: string; uid: number },
): Promise<Buffer> {
  const found = (await mailboxesOf(admin, user)).find(({ name }) => name === mailbox);
  return admin.download({ path: `${pathOf(user)}/mailboxes/${found?.id}/messages/${uid}` });
}

/** A message of its own for every number: plain text, with a line that begins with a dot. */
export function numberedMessage(number: number): string {
  const head = `From: sender@elsewhere.test\r\nTo: ${addressOf('alice')}\r\nSubject: number ${number}\r\n`;
  const date = 'Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n';
  const id = `Message-ID: <${number}@elsewhere.test>\r\n`;
  return `${head}${date}${id}\r\nText of message ${number}.\r\n.${'a line of a paragraph '.repeat(number % 40)}\r\n`;
}
