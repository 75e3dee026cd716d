// The names of an account as LIST and LSUB see them: mailboxes, subscriptions, and who has children. Built for one
// command from one answer of the account; nothing fails.

import type { MailboxInfo, MailboxList } from '../../account/port.ts';
import { attributeOfRole, delimiter } from './mailbox-names.ts';

export class MailboxTree {
  readonly mailboxes: ReadonlyMap<string, MailboxInfo>;
  readonly subscribed: ReadonlySet<string>;
  readonly #parents = new Set<string>();

  constructor(list: MailboxList) {
    const sorted = [...list.mailboxes].sort((a, b) => compareNames(a.name, b.name));
    this.mailboxes = new Map(sorted.map((info) => [info.name, info]));
    this.subscribed = new Set(list.subscriptions);
    for (const name of this.mailboxes.keys()) for (const parent of parentsOf(name)) this.#parents.add(parent);
  }

  /** Names that may be listed, INBOX first: those there are, also those subscribed to, also the superiors of these. */
  names(also: { readonly subscribed: boolean; readonly superiors: boolean }): string[] {
    if (!also.subscribed) return [...this.mailboxes.keys()];
    const names = new Set(this.mailboxes.keys());
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
    if (info === undefined) return ['\\NonExistent', children];
    const attributes = info.selectable ? [children] : ['\\Noselect', children];
    const use = attributeOfRole(info.role);
    if (use !== undefined) attributes.push(use);
    return attributes;
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
