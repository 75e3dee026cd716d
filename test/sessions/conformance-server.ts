// What the conformance transcripts run against: our server, or Debian's Dovecot for a second opinion
// (`CONFORMANCE_PEER=dovecot node --test test/sessions/imap-conformance-*.test.ts`). Answers are read into values, because two
// servers may write the same answer differently: order of items, quoting, case of field names.

import assert from 'node:assert/strict';
import { DovecotProcess } from '../dovecot-process.ts';
import { type ResponseValue, readResponses } from '../imap-response.ts';
import { type Answer, ImapClient } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

/** The second opinion is asked. Where it differs from what the RFC says, the transcript says so beside `or`. */
export const asksDovecot = process.env.CONFORMANCE_PEER === 'dovecot';

export interface ConformanceServer extends AsyncDisposable {
  /** A logged in client, with a mailbox selected when named. */
  alice(mailbox?: string): Promise<ImapClient>;
}

export async function openConformanceServer(): Promise<ConformanceServer> {
  // Many wrong commands in a row are what these transcripts are made of.
  if (!asksDovecot) return openImapServer({ badCommandsMax: 1000 }, { acceptsRawHeaders: true });
  const dovecot = await DovecotProcess.start({
    mailLocation: 'sdbox:%h/mail',
    settings: () => 'imap_urlauth_host = mail.example.test\n',
  });
  const clients: ImapClient[] = [];
  return {
    async alice(mailbox) {
      const client = await ImapClient.login(dovecot.port, 'alice', mailbox);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      await dovecot[Symbol.asyncDispose]();
    },
  };
}

/** What the RFC says, or what Dovecot does instead. */
export function or<T>(rfc: T, dovecot: T): T {
  return asksDovecot ? dovecot : rfc;
}

/** By message number, what FETCH responses tell: item → value; NIL is null. */
export function fetched(answer: Answer): Record<string, Record<string, string | null>> {
  const messages: Record<string, Record<string, string | null>> = {};
  for (const [number, kind, items] of dataOf(answer)) {
    if (kind !== 'FETCH') continue;
    assert(typeof number === 'string' && Array.isArray(items));
    const values: Record<string, string | null> = messages[number] ?? {};
    for (let at = 0; at < items.length; at += 2) {
      const name = String(items[at]).toUpperCase().replaceAll('"', '');
      values[name] = textOf(items[at + 1]!);
    }
    messages[number] = values;
  }
  return messages;
}

/** The numbers of one SEARCH or SORT response, or the text behind THREAD. */
export function found(answer: Answer, kind: 'SEARCH' | 'SORT' | 'THREAD' = 'SEARCH'): string {
  const lines = answer.untagged.filter((line) => line.startsWith(`* ${kind}`));
  assert.equal(lines.length, 1, answer.untagged.join('\n'));
  return lines[0]!.slice(`* ${kind}`.length).trim();
}

/** What one ESEARCH response tells, by name; undefined without one. */
export function esearched(answer: Answer): Record<string, string> | undefined {
  const [response] = dataOf(answer).filter(([kind]) => kind === 'ESEARCH');
  if (response === undefined) return undefined;
  const rest = response.slice(2).filter((value) => value !== 'UID');
  const told: Record<string, string> = {};
  for (let at = 0; at < rest.length; at += 2) told[String(rest[at])] = textOf(rest[at + 1]!) ?? 'NIL';
  return told;
}

/** Mailboxes that every new account of ours has; Dovecot's users have none. */
const given = ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash'];

/** By name, the attributes of LIST responses in their alphabet, joined by spaces. */
export function listed(answer: Answer): Record<string, string> {
  const mailboxes: Record<string, string> = {};
  for (const [kind, attributes, , name] of dataOf(answer)) {
    if (kind !== 'LIST' && kind !== 'LSUB') continue;
    assert(Array.isArray(attributes) && name !== undefined);
    const path = textOf(name)!;
    if (!given.includes(path)) mailboxes[path] = attributes.map(String).sort().join(' ');
  }
  return mailboxes;
}

/** The untagged responses of these kinds, as they came. */
export function told(answer: Answer, ...kinds: readonly string[]): string[] {
  return answer.untagged.filter((line) => kinds.some((kind) => line.split(' ').includes(kind)));
}

function dataOf(answer: Answer): (readonly ResponseValue[])[] {
  const responses = readResponses(answer.untagged.map((line) => `${line}\r\n`).join(''));
  return responses.flatMap((response) => (response.type === 'data' ? [response.values] : []));
}

function textOf(value: ResponseValue): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return `(${value.map((each) => textOf(each) ?? 'NIL').join(' ')})`;
  return Buffer.isBuffer(value) ? value.toString('latin1') : value;
}
