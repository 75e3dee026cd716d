// What a client asked to be told by NOTIFY (RFC 5465), and the accounts watched for it. Lives in the session from NOTIFY SET
// to the next NOTIFY. Memory is bounded: no more mailboxes are watched than `watchedMailboxesMax`.

import type { AccountPort } from '../../../account/port.ts';
import type { AccountId } from '../../../mail/ids.ts';
import type { NotifyGroup, NotifySelected } from '../../../wire/imap/mailbox-command.ts';
import { canonicalName, isInNamespaces, isOthersName } from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { WatchedAccount } from './watched-account.ts';

/** Of all accounts together: each is kept in the session's memory. */
const watchedMailboxesMax = 2000;

type MailboxWish = keyof Pick<NotifyGroup, 'messages' | 'flags' | 'names' | 'subscriptions' | 'metadata'>;

export class Notifications {
  /** Undefined: nothing of the selected mailbox. */
  readonly selected: NotifySelected | undefined;
  readonly groups: readonly NotifyGroup[];
  readonly own: WatchedAccount;
  /** Others' accounts that the groups name mailboxes of. */
  readonly others = new Map<AccountId, WatchedAccount>();
  subscribed: ReadonlySet<string> = new Set();

  constructor(
    account: AccountPort,
    { selected, groups }: { selected: NotifySelected | undefined; groups: readonly NotifyGroup[] },
  ) {
    this.own = new WatchedAccount(account, '');
    this.selected = selected;
    this.groups = groups.map(canonical);
  }

  get accounts(): WatchedAccount[] {
    return [this.own, ...this.others.values()];
  }

  get pending(): boolean {
    return this.own.pending || this.others.values().some((watched) => watched.pending);
  }

  get isTooMuch(): boolean {
    return this.accounts.reduce((sum, { known }) => sum + known.size, 0) > watchedMailboxesMax;
  }

  /** Some group asks for `wish`. */
  wants(wish: MailboxWish | 'serverMetadata'): boolean {
    return this.groups.some((group) => group[wish]);
  }

  get wantsAnnotations(): boolean {
    return this.wants('metadata') || this.wants('serverMetadata');
  }

  /** A group that asks for `wish` covers this name. */
  covers(name: string, wish: MailboxWish): boolean {
    return this.groups.some((group) => group[wish] && this.#matches(group.mailboxes, name));
  }

  /** A group covers this name, whatever it asks for. */
  watches(name: string): boolean {
    return this.groups.some(({ mailboxes }) => this.#matches(mailboxes, name));
  }

  /** Some group may cover a mailbox of somebody else. */
  get mayNameOthers(): boolean {
    return this.groups.some(({ mailboxes }) =>
      'names' in mailboxes ? mailboxes.names.some(isInNamespaces) : mailboxes.type === 'subscribed',
    );
  }

  /**
   * Nobody says that somebody began to share: it is looked for when the session's own names have changed, and as often as
   * the client asks what is new.
   */
  lookForSharers(): void {
    if (this.mayNameOthers) this.own.namesChanged = true;
  }

  /** Some group may cover a mailbox whose name begins with `prefix`. */
  reaches(prefix: string): boolean {
    const isBelow = (name: string): boolean => name.startsWith(prefix);
    return this.groups.some(({ mailboxes }) => {
      if (!('names' in mailboxes))
        return mailboxes.type === 'subscribed' && this.subscribed.values().some(isBelow);
      if (mailboxes.names.some(isBelow)) return true;
      return (
        mailboxes.type === 'subtree' && mailboxes.names.some((top) => prefix.startsWith(top + delimiter))
      );
    });
  }

  #matches(mailboxes: NotifyGroup['mailboxes'], name: string): boolean {
    switch (mailboxes.type) {
      // RFC 5465 6.3: mail may be delivered to any of them.
      case 'inboxes':
      case 'personal':
        return !isOthersName(name);
      case 'subscribed':
        return this.subscribed.has(name);
      case 'mailboxes':
        return mailboxes.names.includes(name);
      case 'subtree':
        return mailboxes.names.some((top) => name === top || name.startsWith(top + delimiter));
    }
  }
}

/** With the names under which mailboxes are told of. */
function canonical(group: NotifyGroup): NotifyGroup {
  const { mailboxes } = group;
  if (!('names' in mailboxes)) return group;
  return { ...group, mailboxes: { ...mailboxes, names: mailboxes.names.map(canonicalName) } };
}
