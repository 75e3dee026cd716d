// What sessions of this node change, told to the watches of this node at once: the host's own events come on another
// stream, or, while the account moves, not before the new host is found. A client of this node that was answered has thus
// changed the account for all clients of this node, as if the account were hosted here.
// Invariant: told before the caller has its answer. Nothing here fails.

import type { AccountEvent, AccountPort } from '../account/port.ts';
import type { AccountId, MailboxId, ModSeq } from '../mail/ids.ts';
import type { AccountMethod } from './remote-account-methods.ts';

export type ChangeMadeHere =
  | Exclude<AccountEvent, { type: 'mailboxes' }>
  /** The answer does not say under which mod-sequence. */
  | { readonly type: 'mailboxes' };

interface Caller {
  readonly accountId: AccountId;
  /** As in AccountPorts.open. */
  readonly actor?: AccountId | undefined;
}

interface AnsweredCall {
  readonly method: AccountMethod;
  readonly given: readonly unknown[];
  readonly result: unknown;
}

type Listener = (change: ChangeMadeHere) => void;

/** By what was asked and answered. What is not here changes nothing that a watch tells of. */
type ChangesOf = {
  readonly [Method in AccountMethod]?: (
    given: NonNullable<Parameters<AccountPort[Method]>[0]>,
    result: Awaited<ReturnType<AccountPort[Method]>>,
  ) => readonly ChangeMadeHere[];
};

const inMailbox = (mailboxId: MailboxId, modSeq: ModSeq): ChangeMadeHere => ({
  type: 'mailbox',
  mailboxId,
  modSeq,
});
const someMailboxes: ChangeMadeHere = { type: 'mailboxes' };

const changesOf: ChangesOf = {
  append: (_, { mailboxId, modSeq }) => [inMailbox(mailboxId, modSeq)],
  appendStaged: (_, { to, modSeq }) => [inMailbox(to, modSeq)],
  replace: ({ replaces }, { mailboxId, modSeq }) => [
    inMailbox(mailboxId, modSeq),
    inMailbox(replaces.mailboxId, modSeq),
  ],
  storeFlags: ({ mailboxId }, { modSeqAfter }) => [inMailbox(mailboxId, modSeqAfter)],
  copy: ({ from, move }, { to, modSeq }) =>
    move ? [inMailbox(to, modSeq), inMailbox(from, modSeq)] : [inMailbox(to, modSeq)],
  expunge: ({ mailboxId }, { modSeq }) => [inMailbox(mailboxId, modSeq)],
  createMailbox: () => [someMailboxes],
  renameMailbox: () => [someMailboxes],
  deleteMailbox: () => [someMailboxes],
  setSubscribed: () => [someMailboxes],
  setAcl: () => [someMailboxes],
  setAnnotations: ({ mailboxId, changes }, modSeq) => {
    const names = changes.map(({ name }) => name);
    return modSeq === undefined ? [] : [{ type: 'annotations', mailboxId, names, modSeq }];
  },
};

export class ChangesMadeHere {
  readonly #listeners = new Map<AccountId, Set<Listener>>();

  /** The result ends it. */
  watch(accountId: AccountId, listener: Listener): () => void {
    const listeners = this.#listeners.get(accountId) ?? new Set();
    this.#listeners.set(accountId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(accountId) === listeners) {
        this.#listeners.delete(accountId);
      }
    };
  }

  called({ accountId, actor }: Caller, { method, given: [given], result }: AnsweredCall): void {
    if (!this.#listeners.has(accountId)) return;
    // What a guest notes down has other names for the owner.
    if (actor !== undefined && method === 'setAnnotations') return;
    for (const change of changesOf[method]?.(given as never, result as never) ?? []) {
      this.tell(accountId, change);
    }
  }

  tell(accountId: AccountId, change: ChangeMadeHere): void {
    for (const listener of this.#listeners.get(accountId) ?? []) listener(change);
  }
}
