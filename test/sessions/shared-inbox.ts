// What tests of shared mailboxes begin with: Alice lets Bob into her INBOX.

import { type ImapClient, mail } from './imap-client.ts';
import type { ImapServer } from './imap-server.ts';

export const all = 'lrswipkxteacd';
export const alices = 'Other Users/alice@example.test';

/** Alice shares; Bob is let in with `rights`. */
export async function sharedInbox(server: ImapServer, rights: string, messages = 1): Promise<ImapClient> {
  const a = await server.alice();
  for (let at = 1; at <= messages; at++) await a.append('INBOX', mail(`message ${at}`)).ok();
  await a.send(`SETACL INBOX bob@example.test ${rights}`).ok();
  return a;
}
