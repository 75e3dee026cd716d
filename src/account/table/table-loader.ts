// Loads the columns of mailboxes when somebody asks for them: beside the account's commits as long as none of them touches
// the mailbox, so that opening one does not wait for the disk; else in line with them.
// Invariant: columns are of the mailbox as it is committed and in memory. What was read while a commit changed the mailbox is
// thrown away. Failures of storage, and of the writer, pass through.

import type { AccountChores } from '../account-chores.ts';
import type { AccountState } from '../account-state.ts';
import { internalMutation, type Mutation } from '../mutations/mutation.ts';
import { pagesToPack } from '../mutations/pack-pages.ts';
import type { WriterOptions } from '../writing/account-writer.ts';
import type { Draft } from '../writing/draft.ts';
import { keepTable, loadTable, readTableOf } from './load-table.ts';
import type { MailboxState } from './mailbox-state.ts';
import { pageOf } from './message-page.ts';

export interface TableLoaderOptions extends Pick<WriterOptions, 'engine' | 'clock' | 'limits'> {
  readonly chores: AccountChores;
  /** The committed state, when it is in memory. */
  readonly state: () => AccountState | undefined;
  /** A mutation that is decided or being committed may change it. */
  readonly isChanging: (mailboxId: number) => boolean;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

interface Loading {
  /** A commit that touches the mailbox ended while it was read. */
  isStale: boolean;
  loaded: Promise<void>;
}

export class TableLoader {
  readonly #options: TableLoaderOptions;
  /** By the mailbox's id. */
  readonly #loading = new Map<number, Loading>();

  constructor(options: TableLoaderOptions) {
    this.#options = options;
  }

  /** To be told of every commit of the account. */
  committed({ mailboxes }: Draft): void {
    for (const [mailboxId, loading] of this.#loading) if (mailboxes.has(mailboxId)) loading.isStale = true;
  }

  /** Afterwards the mailbox has its columns, unless the account was read again meanwhile. */
  load(state: AccountState, mailbox: MailboxState): Promise<void> {
    const { id } = mailbox.record;
    const before = this.#loading.get(id);
    if (before !== undefined) return before.loaded;
    const loading: Loading = { isStale: false, loaded: Promise.resolve() };
    this.#loading.set(id, loading);
    loading.loaded = this.#load(state, mailbox, loading).finally(() => this.#loading.delete(id));
    return loading.loaded;
  }

  async #load(state: AccountState, mailbox: MailboxState, loading: Loading): Promise<void> {
    const { id } = mailbox.record;
    if (!(await this.#loadBeside(state, mailbox, loading))) await this.#loadInLine(id);
    if (mailbox.table === undefined) return;
    const to = pageOf(mailbox.record.uidNext);
    const [from = to] = pagesToPack(mailbox.table, { from: 0, to }, 1);
    this.#options.chores.packPages(id, from, to);
  }

  /** False: it has changed meanwhile, or is about to. */
  async #loadBeside(state: AccountState, mailbox: MailboxState, loading: Loading): Promise<boolean> {
    const { isChanging } = this.#options;
    const { id } = mailbox.record;
    if (isChanging(id)) return false;
    const table = await readTableOf(state, mailbox, this.#options);
    if (loading.isStale || isChanging(id) || this.#options.state() !== state) return false;
    keepTable(state, mailbox, table);
    return true;
  }

  async #loadInLine(mailboxId: number): Promise<void> {
    await this.#options.submit(
      internalMutation('loadTable', async (draft) => {
        const current = draft.state.mailbox(mailboxId);
        if (current !== undefined) await loadTable(draft.state, current, this.#options);
      }),
    );
  }
}
