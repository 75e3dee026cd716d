// An account too simple to be wrong: what IMAP sessions should find, command after command.

import assert from 'node:assert/strict';
import { allRights, type Rights, rightOfFlag } from '../../src/mail/rights.ts';
import type { SearchWish } from './followed-search.ts';

export interface ModelMessage {
  flags: ReadonlySet<string>;
  readonly subject: string;
  /** Rises with every change of the flags, as its mod-sequence does. */
  version: number;
}

export class ModelMailbox {
  readonly messages = new Map<number, ModelMessage>();
  uidNext = 1;
  /** The owner has all. */
  guestRights: Rights = '';
  /** /shared/comment; undefined: there is none. */
  comment: string | undefined;
  /** Learnt from the first answer that names it. */
  uidValidity: string | undefined;

  add(flags: ReadonlySet<string>, subject: string): number {
    this.messages.set(this.uidNext, { flags, subject, version: 0 });
    return this.uidNext++;
  }

  store(uids: readonly number[], mode: string, names: readonly string[], rights: Rights): void {
    for (const uid of uids) {
      const message = this.messages.get(uid);
      if (message === undefined) continue;
      const flags = changedFlags(message.flags, mode, names, rights);
      if (flagText(flags) === flagText(message.flags)) continue;
      this.messages.set(uid, { ...message, flags, version: message.version + 1 });
    }
  }

  /** The new UIDs, for those of `uids` that are there. `rights`: on the target. */
  copyTo(target: ModelMailbox, uids: readonly number[], rights: Rights): number[] {
    const found = uids.map((uid) => this.messages.get(uid)).filter((message) => message !== undefined);
    return found.map(({ flags, subject }) => target.add(flagsWithin(flags, rights), subject));
  }

  remove(uids: readonly number[]): void {
    for (const uid of uids) this.messages.delete(uid);
  }

  /** Of `uids`, or of all: those with \Deleted. */
  expunge(uids: readonly number[] = [...this.messages.keys()]): void {
    this.remove(uids.filter((uid) => this.messages.get(uid)?.flags.has('\\Deleted')));
  }

  /** The same UIDVALIDITY every time. */
  isNamed(uidValidity: string): void {
    this.uidValidity ??= uidValidity;
    assert.equal(uidValidity, this.uidValidity);
  }
}

/** What a search is to find, in its order: UIDs. Keys: ALL, a flag's, or NOT one; orders: by subject. */
export function foundIn({ messages }: ModelMailbox, { key, order }: Omit<SearchWish, 'uid'>): number[] {
  const flag = key.replace(/^NOT /, '').replace(/^KEYWORD /, '');
  const has = (flags: ReadonlySet<string>): boolean =>
    [...flags].some((name) => name.replace(/^\\/, '').toUpperCase() === flag.toUpperCase());
  const matches = (flags: ReadonlySet<string>): boolean =>
    flag === 'ALL' || has(flags) !== key.startsWith('NOT ');
  const found = [...messages].filter(([, { flags }]) => matches(flags));
  const sign = order?.startsWith('REVERSE') === true ? -1 : 1;
  // RFC 5256 section 3: those that are alike stand as they do in the mailbox.
  if (order !== undefined)
    found.sort(([, one], [, other]) => {
      return sign * (Number(one.subject > other.subject) - Number(one.subject < other.subject));
    });
  return found.map(([uid]) => uid);
}

/** What may not be changed stays as it is (RFC 4314 section 4). */
export function changedFlags(
  before: ReadonlySet<string>,
  mode: string,
  names: readonly string[],
  rights: Rights = allRights,
): ReadonlySet<string> {
  const changed = flagsWithin(names, rights);
  if (mode === '+') return before.union(changed);
  return mode === '-'
    ? before.difference(changed)
    : before.difference(flagsWithin(before, rights)).union(changed);
}

export function flagsWithin(names: Iterable<string>, rights: Rights): ReadonlySet<string> {
  return new Set([...names].filter((name) => rights.includes(rightOfFlag(name))));
}

/** Sorted, without \Recent, which is a session's own. */
export function flagText(flags: Iterable<string>): string {
  return [...flags]
    .filter((name) => name !== '\\Recent')
    .sort()
    .join(' ');
}
