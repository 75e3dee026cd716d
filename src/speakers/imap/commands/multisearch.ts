// ESEARCH: one search of several mailboxes (RFC 7377; filters, RFC 5466). Mailboxes that are not there, or go meanwhile, are passed over.

import { isMailError } from '../../../mail/mail-error.ts';
import type { MultisearchCommand, SearchSource } from '../../../wire/imap/search-command.ts';
import { withFilters } from '../filters.ts';
import { placedMailboxes, type WantedOwners } from '../mailbox-lists.ts';
import {
  canonicalName,
  findPlaced,
  isInNamespaces,
  isOthersName,
  isSelected,
  type PlacedMailbox,
  placedAt,
} from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { isTooMany, messagesListed, tooManyMessages } from '../message-limit.ts';
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
import type { ImapSession } from '../session.ts';
import { MailboxView } from '../view.ts';

const done = ok('Search completed');
const selectedOnly: readonly SearchSource[] = [{ type: 'selected' }];

export async function multisearch(session: ImapSession, asked: MultisearchCommand): Promise<Reply> {
  const command = await withFilters(session, asked);
  const sources = command.sources ?? selectedOnly;
  const wanted = command.return ?? returnAll;
  const onlySelected = sources.every(({ type }) => type === 'selected');
  if (session.view === undefined && sources.some(({ type }) => type === 'selected')) {
    return bad('No mailbox is selected');
  }
  // RFC 7377 2.2.
  if ((wanted.save || wanted.update) && !onlySelected)
    return bad('SAVE and UPDATE are for the selected mailbox');
  if (wanted.update && isUpdateTag(session, command.tag)) return bad('Tag is in use for updates');
  if (command.usesModSeq) session.enableCondstore();
  const told = { messages: 0 };
  for (const info of await mailboxesOf(session, sources)) {
    const isThis = isSelected(session, info.account, info.id);
    const view = isThis ? session.view : await viewOf(info);
    if (view !== undefined && !(await searchOne(session, command, { info, view, told })))
      return tooManyMessages(session);
    if (session.connection.congested) await session.connection.drain();
  }
  return done;
}

/** False: with this mailbox it is more messages than a command may work on (RFC 9738). */
async function searchOne(
  session: ImapSession,
  command: MultisearchCommand,
  {
    info,
    view,
    told,
  }: {
    readonly info: PlacedMailbox;
    readonly view: MailboxView;
    readonly told: { messages: number };
  },
): Promise<boolean> {
  const { tag } = command;
  const wanted = command.return ?? returnAll;
  const prepared = await prepareSearch(session, view, { program: command });
  const uids = await findUids(view, prepared);
  const mailbox = { name: info.name, utf8: session.utf8, uidValidity: info.uidValidity };
  told.messages += messagesListed(uids, wanted);
  // RFC 5182 2.1: what fails leaves nothing saved.
  if (wanted.save) view.saved = new Uint32Array(0);
  if (isTooMany(session, told.messages)) return false;
  if (wanted.save) view.saved = chosenUids(uids, wanted).slice();
  // RFC 7377 2.1: a mailbox without matches has no response.
  if (uids.length > 0) {
    const modSeq = await toldModSeq(view, { uids, asked: command });
    const score = wanted.relevancy ? await scoresOf(view, prepared) : undefined;
    const text = esearchText(view, { tag, uid: true, uids, wanted, modSeq, score, mailbox });
    session.connection.write(text);
  }
  if (wanted.update) startUpdates(session, { tag, mailbox, uid: true, view, prepared, results: [...uids] });
  return true;
}

/** A mailbox as it is now, for message numbers in the search; undefined: it is gone. */
async function viewOf({ account, id }: PlacedMailbox): Promise<MailboxView | undefined> {
  try {
    const opened = await account.openMailbox({ id }, { claimRecent: false });
    return new MailboxView(opened, { account, prefix: '', examines: true });
  } catch (error) {
    if (isMailError(error, 'noSuchMailbox') || isMailError(error, 'mailboxNotSelectable')) return undefined;
    throw error;
  }
}

/** Each once, in the order of the sources. */
async function mailboxesOf(session: ImapSession, sources: readonly SearchSource[]): Promise<PlacedMailbox[]> {
  const { mailboxes, subscriptions } = await placedMailboxes(session, wantedOwners(sources));
  const all = [...mailboxes, ...(await unlisted(session, sources, mailboxes))];
  const selectable = all.filter((info) => info.selectable && info.rights.includes('r'));
  const subscribed = new Set(subscriptions);
  const chosen = new Set<PlacedMailbox>();
  for (const source of sources) {
    const selected = source.type === 'selected' ? await foreignSelected(session) : undefined;
    if (selected !== undefined && !selectable.some((info) => isSelected(session, info.account, info.id)))
      chosen.add(selected);
    for (const info of selectable) if (isOf(source, info, { session, subscribed })) chosen.add(info);
  }
  return [...chosen];
}

/** Others' mailboxes that may be read but not looked up: searched when the client names them (RFC 7377 2.2). */
async function unlisted(
  session: ImapSession,
  sources: readonly SearchSource[],
  listed: readonly PlacedMailbox[],
): Promise<PlacedMailbox[]> {
  const known = new Set(listed.map(({ name }) => name));
  const found: PlacedMailbox[] = [];
  for (const source of sources) {
    if (source.type !== 'mailboxes') continue;
    for (const name of source.mailboxes.map(canonicalName)) {
      const info = isOthersName(name) && !known.has(name) ? await findPlaced(session, name) : undefined;
      if (info !== undefined) found.push(info);
      known.add(name);
    }
  }
  return found;
}

/** Whose mailboxes the sources may name. */
function wantedOwners(sources: readonly SearchSource[]): WantedOwners {
  const named = sources.flatMap((source) => ('mailboxes' in source ? source.mailboxes : []));
  const names = named.filter(isInNamespaces);
  const subscribed = sources.some(({ type }) => type === 'subscribed');
  const meets = (prefix: string) => (name: string) =>
    name.startsWith(prefix) || prefix.startsWith(name + delimiter);
  return {
    any: names.length > 0 || subscribed,
    under: (prefix, subscriptions) => [...names, ...(subscribed ? subscriptions : [])].some(meets(prefix)),
  };
}

/** Somebody else's, which is in no list of the session's own; undefined: it is not that, or is gone. */
async function foreignSelected({ view, account }: ImapSession): Promise<PlacedMailbox | undefined> {
  if (view === undefined || view.account === account) return undefined;
  const info = await view.account.findMailbox({ id: view.mailboxId });
  return info && placedAt(view, info);
}

function isOf(
  source: SearchSource,
  info: PlacedMailbox,
  { session, subscribed }: { readonly session: ImapSession; readonly subscribed: ReadonlySet<string> },
): boolean {
  switch (source.type) {
    case 'selected':
      return isSelected(session, info.account, info.id);
    // RFC 5465 6.3: where deliveries go; filters may file to any mailbox, but only INBOX is known to.
    case 'inboxes':
      return info.role === 'inbox';
    case 'personal':
      return info.account === session.account;
    case 'subscribed':
      return subscribed.has(info.name);
    default:
      return source.mailboxes.some((name) => isUnder(info.name, canonicalName(name), source.type));
  }
}

function isUnder(name: string, top: string, type: 'mailboxes' | 'subtree' | 'subtreeOne'): boolean {
  if (name === top) return true;
  if (type === 'mailboxes' || !name.startsWith(top + delimiter)) return false;
  return type === 'subtree' || !name.slice(top.length + 1).includes(delimiter);
}
