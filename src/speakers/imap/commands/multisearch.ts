// ESEARCH: one search of several mailboxes (RFC 7377). Mailboxes that are not there, or go meanwhile, are passed over.

import type { MailboxInfo } from '../../../account/port.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import type { MultisearchCommand, SearchSource } from '../../../wire/imap/command.ts';
import { delimiter, normalizeInbox } from '../mailbox-names.ts';
import { bad, ok, type Reply } from '../reply.ts';
import {
  chosenUids,
  esearchText,
  findUids,
  prepareSearch,
  returnAll,
  scoresOf,
  toldModSeq,
} from '../search-run.ts';
import { isUpdateTag, startUpdates } from '../search-updates.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { MailboxView } from '../view.ts';

const done = ok('Search completed');
const selectedOnly: readonly SearchSource[] = [{ type: 'selected' }];

export async function multisearch(session: ImapSession, command: MultisearchCommand): Promise<Reply> {
  const sources = command.sources ?? selectedOnly;
  const wanted = command.return ?? returnAll;
  const isSelected = sources.every(({ type }) => type === 'selected');
  if (session.view === undefined && sources.some(({ type }) => type === 'selected')) {
    return bad('No mailbox is selected');
  }
  // RFC 7377 2.2.
  if ((wanted.save || wanted.update) && !isSelected)
    return bad('SAVE and UPDATE are for the selected mailbox');
  if (wanted.update && isUpdateTag(session, command.tag)) return bad('Tag is in use for updates');
  if (command.usesModSeq) session.condstore = true;
  for (const info of await mailboxesOf(session, sources)) {
    const { view } = session;
    if (view?.mailboxId === info.id) await searchOne(session, command, { info, view });
    else {
      const other = await viewOf(session, info);
      if (other !== undefined) await searchOne(session, command, { info, view: other });
    }
    if (session.connection.congested) await session.connection.drain();
  }
  return done;
}

async function searchOne(
  session: ImapSession,
  command: MultisearchCommand,
  { info, view }: { readonly info: MailboxInfo; readonly view: MailboxView },
): Promise<void> {
  const { tag } = command;
  const wanted = command.return ?? returnAll;
  const prepared = await prepareSearch(session, view, { program: command });
  const uids = await findUids(session, view, prepared);
  if (wanted.save) view.saved = chosenUids(uids, wanted).slice();
  // RFC 7377 2.1: a mailbox without matches has no response.
  if (uids.length > 0) {
    const modSeq = await toldModSeq(session, view, { uids, asked: command });
    const score = wanted.relevancy ? await scoresOf(session, view, prepared) : undefined;
    const mailbox = { name: info.name, utf8: session.utf8, uidValidity: info.uidValidity };
    const text = esearchText(view, { tag, uid: true, uids, wanted, modSeq, score, mailbox });
    session.connection.write(text);
  }
  if (wanted.update) startUpdates(session, { tag, uid: true, view, prepared, results: [...uids] });
}

/** A mailbox as it is now, for message numbers in the search; undefined: it is gone. */
async function viewOf(session: ImapSession, info: MailboxInfo): Promise<MailboxView | undefined> {
  try {
    const opened = await accountOf(session).openMailbox({ id: info.id }, { claimRecent: false });
    return new MailboxView(opened, { readOnly: true });
  } catch (error) {
    if (isMailError(error, 'noSuchMailbox') || isMailError(error, 'mailboxNotSelectable')) return undefined;
    throw error;
  }
}

/** Each once, in the order of the sources. */
async function mailboxesOf(session: ImapSession, sources: readonly SearchSource[]): Promise<MailboxInfo[]> {
  const { mailboxes, subscriptions } = await accountOf(session).listMailboxes();
  const selectable = mailboxes.filter((info) => info.selectable);
  const subscribed = new Set(subscriptions);
  const chosen = new Set<MailboxInfo>();
  for (const source of sources) {
    for (const info of selectable) if (isOf(source, info, { session, subscribed })) chosen.add(info);
  }
  return [...chosen];
}

function isOf(
  source: SearchSource,
  info: MailboxInfo,
  { session, subscribed }: { readonly session: ImapSession; readonly subscribed: ReadonlySet<string> },
): boolean {
  switch (source.type) {
    case 'selected':
      return session.view?.mailboxId === info.id;
    // RFC 5465 6.3: where deliveries go; filters may file to any mailbox, but only INBOX is known to.
    case 'inboxes':
      return info.role === 'inbox';
    case 'personal':
      return true;
    case 'subscribed':
      return subscribed.has(info.name);
    default:
      return source.mailboxes.some((name) => isUnder(info.name, normalizeInbox(name), source.type));
  }
}

function isUnder(name: string, top: string, type: 'mailboxes' | 'subtree' | 'subtreeOne'): boolean {
  if (name === top) return true;
  if (type === 'mailboxes' || !name.startsWith(top + delimiter)) return false;
  return type === 'subtree' || !name.slice(top.length + 1).includes(delimiter);
}
