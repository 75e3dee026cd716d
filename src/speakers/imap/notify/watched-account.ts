// An account whose mailboxes a client watches by NOTIFY (RFC 5465): what the client was told of them last, and what
// happened since. Invariant: names are those that the client knows, with what stands before others' names; of somebody
// else's account only mailboxes that the session may look up are in it.
// `list` fails as the account does.

import type { AccountEvent, AccountPort } from '../../../account/port.ts';
import type { MailboxId } from '../../../mail/ids.ts';
import { type PlacedMailbox, placedAt } from '../mailbox-location.ts';
import type { NameChanges } from './name-changes.ts';

/** A mailbox as the client was last told of it. */
export interface KnownMailbox {
  readonly name: string;
  /** False: only a place in the hierarchy. */
  readonly selectable: boolean;
  /** RFC 5465 section 5: without r nothing is told but that. */
  readonly readable: boolean;
  readonly messages: number;
  readonly uidNext: number;
  readonly unseen: number;
  /** 0: nothing was told of its messages. */
  readonly highestModSeq: number;
}

const untold = { messages: 0, uidNext: 1, unseen: 0, highestModSeq: 0 } as const;

/** What the client knows is another one's: whatever there is differs. */
const mistaken = { messages: -1, uidNext: 0, unseen: -1, highestModSeq: 0 } as const;

export class WatchedAccount {
  readonly account: AccountPort;
  /** As in MailboxLocation. */
  readonly prefix: string;
  readonly known = new Map<MailboxId, KnownMailbox>();
  /** Since it was last told. */
  readonly changedMailboxes = new Set<MailboxId>();
  /** Entry names by mailbox; 0: of the account. */
  readonly changedAnnotations = new Map<number, Set<string>>();
  namesChanged = false;
  /** It could not be asked: what it has is looked at with the next event, whatever that is. */
  isOwed = false;
  /** It was closed to the session: once that is told, nobody listens any more. */
  isClosed = false;

  constructor(account: AccountPort, prefix: string) {
    this.account = account;
    this.prefix = prefix;
  }

  get pending(): boolean {
    return this.namesChanged || this.changedMailboxes.size > 0 || this.changedAnnotations.size > 0;
  }

  happened(event: AccountEvent): void {
    if (this.isOwed) this.namesChanged = true;
    if (event.type === 'mailbox') this.changedMailboxes.add(event.mailboxId);
    else if (event.type === 'annotations') this.#annotationsChanged(event.mailboxId ?? 0, event.names);
    else this.namesChanged = true;
  }

  #annotationsChanged(mailboxId: number, names: readonly string[]): void {
    const before = this.changedAnnotations.get(mailboxId) ?? [];
    this.changedAnnotations.set(mailboxId, new Set([...before, ...names]));
  }

  async list(): Promise<{
    readonly mailboxes: readonly PlacedMailbox[];
    readonly subscriptions: readonly string[];
  }> {
    const { mailboxes, subscriptions } = await this.account.listMailboxes();
    return { mailboxes: mailboxes.map((info) => placedAt(this, info)), subscriptions };
  }

  /** Takes the state of all its mailboxes for told. */
  remember(mailboxes: readonly PlacedMailbox[]): void {
    this.known.clear();
    for (const info of mailboxes) this.told(info);
  }

  /** The client was told that there is a mailbox, or a place, of this name. */
  isNameKnown({ id, name, selectable }: PlacedMailbox): boolean {
    const known = this.known.get(id);
    return known?.name === name && known.selectable === selectable;
  }

  told(info: PlacedMailbox): void {
    const { messages, uidNext, unseen, highestModSeq } = info;
    this.known.set(info.id, { ...nameOf(info), messages, uidNext, unseen, highestModSeq });
  }

  /** Takes the names for told; of messages the client knows what it knew. Gives the mailboxes of which there is more to tell. */
  rememberNames(
    mailboxes: readonly PlacedMailbox[],
    { replaced, lost }: Pick<NameChanges, 'replaced' | 'lost'>,
  ): MailboxId[] {
    const before = new Map(this.known);
    this.known.clear();
    const changed: MailboxId[] = [];
    for (const info of mailboxes) {
      const known = before.get(info.id);
      // What may be read or selected only now is as new.
      const isKnown = known?.readable === true && known.selectable === info.selectable;
      const remembered = isKnown && !lost.has(info.id) ? known : untold;
      const told = replaced.has(info.id) ? mistaken : remembered;
      this.known.set(info.id, { ...told, ...nameOf(info) });
      if (told.highestModSeq !== info.highestModSeq) changed.push(info.id);
    }
    return changed;
  }
}

function nameOf({
  name,
  selectable,
  rights,
}: PlacedMailbox): Pick<KnownMailbox, 'name' | 'selectable' | 'readable'> {
  return { name, selectable, readable: rights.includes('r') };
}
