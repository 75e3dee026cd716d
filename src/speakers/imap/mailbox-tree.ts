// The names of an account, and of what others share, as LIST and LSUB see them: mailboxes, subscriptions, and who has
// children. Built for one command from one answer of each account; nothing fails.

import type { MailboxInfo } from '../../account/port.ts';
import { attributesOfRole, delimiter } from './mailbox-names.ts';

export interface TreeNames<Info extends MailboxInfo> {
  readonly mailboxes: readonly Info[];
  readonly subscriptions: readonly string[];
  /** Names that have others below them and are no mailboxes. */
  readonly places?: readonly string[];
}

export class MailboxTree<Info extends MailboxInfo = MailboxInfo> {
  readonly mailboxes: ReadonlyMap<string, Info>;
  readonly subscribed: ReadonlySet<string>;
  readonly #parents = new Set<string>();

  /** Superiors that are no mailboxes, not even places of the account: those that the client may not know of, namespaces. */
  readonly missing: ReadonlySet<string>;

  constructor(list: TreeNames<Info>) {
    const sorted = [...list.mailboxes].sort((a, b) => compareNames(a.name, b.name));
    this.mailboxes = new Map(sorted.map((info) => [info.name, info]));
    this.subscribed = new Set(list.subscriptions);
    for (const name of this.mailboxes.keys()) for (const parent of parentsOf(name)) this.#parents.add(parent);
    for (const place of list.places ?? [])
      for (const parent of [place, ...parentsOf(place)]) this.#parents.add(parent);
    this.missing = new Set([...this.#parents].filter((name) => !this.mailboxes.has(name)));
  }

  /** Names that may be listed, INBOX first: those there are, also those subscribed to, also the superiors of these. */
  names(also: { readonly subscribed: boolean; readonly superiors: boolean }): string[] {
    if (!also.subscribed && this.missing.size === 0) return [...this.mailboxes.keys()];
    const names = new Set([...this.mailboxes.keys(), ...this.missing]);
    if (!also.subscribed) return [...names].sort(compareNames);
    for (const name of this.subscribed) {
      names.add(name);
      if (also.superiors) for (const parent of parentsOf(name)) names.add(parent);
    }
    return [...names].sort(compareNames);
  }

  /** \Noselect, \NonExistent, children and special use (RFC 9051 7.3.1); without \Subscribed. */
  attributes(name: string): string[] {
    const info = this.mailboxes.get(name);
    const children = this.#parents.has(name) ? '\\HasChildren' : '\\HasNoChildren';
    // Clients without RFC 5258 know \Noselect only.
    if (this.missing.has(name)) return ['\\Noselect', '\\NonExistent', children];
    if (info === undefined) return ['\\NonExistent', children];
    const attributes = info.selectable ? [children] : ['\\Noselect', children];
    return [...attributes, ...attributesOfRole(info.role)];
  }
}

/** `a/b/c` to `a/b` and `a`. */
export function parentsOf(name: string): string[] {
  const parents: string[] = [];
  for (let at = name.lastIndexOf(delimiter); at > 0; at = name.lastIndexOf(delimiter, at - 1)) {
    parents.push(name.slice(0, at));
  }
  return parents;
}

function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  if (a === 'INBOX') return -1;
  if (b === 'INBOX') return 1;
  return a < b ? -1 : 1;
}
