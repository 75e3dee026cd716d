// What a client asked to be told by NOTIFY (RFC 5465), what it was told last, and what happened since. Lives in the session
// from NOTIFY SET to the next NOTIFY. Memory is bounded: `known` holds the mailboxes watched, of which the command may
// name no more than its limit.

import type { MailboxInfo, MailboxList } from '../../../account/port.ts';
import type { MailboxId } from '../../../mail/ids.ts';
import type { NotifyGroup, NotifySelected } from '../../../wire/imap/mailbox-command.ts';

/** A mailbox as the client was last told of it. */
export interface KnownMailbox {
  readonly name: string;
  readonly messages: number;
  readonly uidNext: number;
  readonly unseen: number;
  readonly highestModSeq: number;
}

export type MailboxWish = Pick<NotifyGroup, 'messages' | 'flags' | 'names' | 'subscriptions' | 'metadata'>;

export class Notifications {
  /** Undefined: nothing of the selected mailbox. */
  readonly selected: NotifySelected | undefined;
  readonly groups: readonly NotifyGroup[];
  readonly known = new Map<MailboxId, KnownMailbox>();
  subscribed: ReadonlySet<string> = new Set();
  /** Since it was last told. */
  readonly changedMailboxes = new Set<MailboxId>();
  namesChanged = false;
  /** Entry names by mailbox; 0: of the server. */
  readonly changedAnnotations = new Map<number, Set<string>>();
  /** Ends the watch of annotations. */
  stop: (() => void) | undefined;

  constructor(selected: NotifySelected | undefined, groups: readonly NotifyGroup[]) {
    this.selected = selected;
    this.groups = groups;
  }

  get pending(): boolean {
    return this.changedMailboxes.size > 0 || this.namesChanged || this.changedAnnotations.size > 0;
  }

  /** Some group asks for `wish`. */
  wants(wish: keyof Omit<NotifyGroup, 'mailboxes'>): boolean {
    return this.groups.some((group) => group[wish]);
  }

  get wantsAnnotations(): boolean {
    return this.wants('metadata') || this.wants('serverMetadata');
  }

  /** Of a mailbox or, with undefined, of the account; told with the next answers. */
  annotationsChanged(mailboxId: number | undefined, names: readonly string[]): void {
    const before = this.changedAnnotations.get(mailboxId ?? 0) ?? [];
    this.changedAnnotations.set(mailboxId ?? 0, new Set([...before, ...names]));
  }

  /** A group that asks for `wish` covers this name. */
  covers(name: string, wish: keyof MailboxWish): boolean {
    return this.groups.some((group) => group[wish] && this.#matches(group.mailboxes, name));
  }

  /** Takes the state of all mailboxes for told. */
  remember(list: MailboxList): void {
    this.known.clear();
    for (const info of list.mailboxes) this.known.set(info.id, knownOf(info));
    this.subscribed = new Set(list.subscriptions);
  }

  #matches(mailboxes: NotifyGroup['mailboxes'], name: string): boolean {
    switch (mailboxes.type) {
      // RFC 5465 6.3: mail may be delivered to any of them.
      case 'inboxes':
      case 'personal':
        return true;
      case 'subscribed':
        return this.subscribed.has(name);
      case 'mailboxes':
        return mailboxes.names.includes(name);
      case 'subtree':
        return mailboxes.names.some((top) => name === top || name.startsWith(`${top}/`));
    }
  }
}

export function knownOf({ name, messages, uidNext, unseen, highestModSeq }: MailboxInfo): KnownMailbox {
  return { name, messages, uidNext, unseen, highestModSeq };
}
