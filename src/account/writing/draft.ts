// What the mutations of one commit have decided so far: an overlay over the committed account. Each mutation of a
// group sees what those before it decided; together they become one batch.
//
// Invariant: a mutation checks everything that can refuse before its first change (`version` tells), so that a refused
// one leaves no trace; committed state is never touched here (apply-draft.ts does, after the commit).
// Fails only by the engine's faults while loading, before anything was changed.

import type { Clock } from '../../base/clock.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { AclEntry } from '../../mail/rights.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Batch, Bytes, Condition, Entry, Reader } from '../../storage/engine.ts';
import type { AccountLimits } from '../account-limits.ts';
import { pageRowsMax } from '../account-limits.ts';
import type { AccountState } from '../account-state.ts';
import type { MailboxTarget } from '../port.ts';
import type { AccountRecord, MailboxRecord } from '../records/account-record.ts';
import { blobHolder, decodeEmail, type EmailRecord } from '../records/email-record.ts';
import type { OperationRecord } from '../records/operation-record.ts';
import { decodeThreadRow, type ThreadRow } from '../records/thread-row.ts';
import { loadTable } from '../table/load-table.ts';
import { DraftMailbox } from './draft-mailbox.ts';
import { DraftOperations } from './operation-slots.ts';

export interface DraftContext {
  readonly engine: Reader;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly limits: AccountLimits;
  /** Messages of a mailbox before this uid were claimed (recent-claims.ts): written with whatever is written of it. */
  readonly claimedTo?: (mailboxId: number) => number;
  /** Makes a part of an exclusive mutation durable before its commit. A failure leaves the outcome of all of it open. */
  stage?(batch: Batch): Promise<void>;
}

/** Written only if it is still there at the end. */
interface CreatedEmail {
  readonly puts: readonly Entry[];
  readonly conditions: readonly Condition[];
  /** Of the puts the value with its summary. */
  readonly summary: Bytes;
}

/** An email in the draft. `record` undefined: it is gone. */
export interface DraftEmail {
  record: EmailRecord | undefined;
  /** It was not there before. */
  created: CreatedEmail | undefined;
  readonly before: EmailRecord | undefined;
}

export class Draft {
  readonly state: AccountState;
  readonly context: DraftContext;
  readonly account: AccountRecord;
  /** Rises with every change; a mutation that throws must not have raised it. */
  version = 0;
  readonly mailboxes = new Map<number, DraftMailbox>();
  /** Names whose mailbox differs from the committed one; undefined: nobody's now. */
  readonly names = new Map<string, number | undefined>();
  readonly emails = new Map<number, DraftEmail>();
  /** Loaded or decided thread rows; undefined: there is none. */
  readonly threads = new Map<number, ThreadRow | undefined>();
  readonly threadsChanged = new Set<number>();
  readonly subscriptions = new Map<string, boolean>();
  /** By mailbox; empty: none any more. */
  readonly acls = new Map<number, readonly AclEntry[]>();
  readonly operations: DraftOperations;
  /** Rows that background work takes away or rewrites (pruning, store check). */
  readonly deletes: Bytes[] = [];
  readonly deleteRanges: { start: Bytes; end: Bytes }[] = [];
  readonly puts: Entry[] = [];
  /** What those rows were decided on, where somebody else may change it (a blob that is being collected). */
  readonly conditions: Condition[] = [];
  /** Some of it is durable already. */
  staged = false;
  /** Rows were repaired behind memory's back: after the commit the account is read again. */
  reloadAfter = false;
  /** What is put can wait for room: a full disk refuses it. */
  needsRoom = false;
  /** Annotations that were set or removed: told after the commit. */
  annotationsChanged:
    | { readonly mailboxId: MailboxId | undefined; readonly names: readonly string[] }
    | undefined;
  /** Mailboxes came, went or changed their names. */
  mailboxesChanged = false;

  constructor(state: AccountState, context: DraftContext) {
    this.state = state;
    this.context = context;
    this.account = { ...state.account };
    const { operationsKept: kept, operationsMax: max, operationLifeMs: lifeMs } = context.limits;
    const now = context.clock.monotonic();
    this.operations = new DraftOperations(state.operationSlots, { kept, max, lifeMs }, now);
  }

  get nowSeconds(): number {
    return Math.floor(this.context.clock.now() / 1000);
  }

  /** Takes the next mod-sequence: the first change of every mutation. */
  nextModSeq(): number {
    this.version++;
    return ++this.account.modSeq;
  }

  /** The mailbox with this id; undefined when there is none or it is gone. */
  mailbox(id: number): DraftMailbox | undefined {
    const known = this.mailboxes.get(id);
    if (known !== undefined) return known.record.gone || known.dropped ? undefined : known;
    const state = this.state.mailbox(id);
    return state === undefined ? undefined : this.#add(new DraftMailbox(state, { ...state.record }));
  }

  /** Also one that is gone but not yet removed. */
  goneMailbox(id: number): DraftMailbox | undefined {
    const known = this.mailboxes.get(id);
    if (known !== undefined) return known.dropped ? undefined : known;
    const state = this.state.mailboxes.get(id);
    return state === undefined ? undefined : this.#add(new DraftMailbox(state, { ...state.record }));
  }

  /** The mailbox of a target whose name is normalised. */
  find(target: MailboxTarget): DraftMailbox | undefined {
    if ('id' in target) return this.mailbox(target.id);
    if ('name' in target) return this.#named(target.name);
    // Nearly every delivery: it has no other name, and nobody else has that one.
    if (target.role === 'inbox') return this.#named('INBOX');
    for (const record of this.records()) {
      if (record.role === target.role) return this.mailbox(record.id);
    }
    return undefined;
  }

  /** Every mailbox's record; not to be changed. */
  *records(): Generator<Readonly<MailboxRecord>> {
    for (const [id, { record }] of this.state.mailboxes) {
      const draft = this.mailboxes.get(id);
      const current = draft?.record ?? record;
      if (!current.gone && draft?.dropped !== true) yield current;
    }
    for (const { state, record, dropped } of this.mailboxes.values()) {
      if (state === undefined && !record.gone && !dropped) yield record;
    }
  }

  addMailbox(record: MailboxRecord): DraftMailbox {
    this.names.set(record.name, record.id);
    this.mailboxesChanged = true;
    return this.#add(new DraftMailbox(undefined, record));
  }

  /** One that nobody sees, without a name. */
  addGoneMailbox(record: MailboxRecord): DraftMailbox {
    return this.#add(new DraftMailbox(undefined, record));
  }

  /** The name becomes the mailbox's; undefined: the mailbox's name becomes free. */
  rename(mailbox: DraftMailbox, name: string | undefined): void {
    const { record } = mailbox;
    if (this.find({ name: record.name }) === mailbox) this.names.set(record.name, undefined);
    if (name !== undefined) {
      record.name = name;
      this.names.set(name, record.id);
    }
    this.mailboxesChanged = true;
    mailbox.changed = true;
  }

  /** Who else may do what with a mailbox. */
  acl(mailboxId: number): readonly AclEntry[] {
    return this.acls.get(mailboxId) ?? this.state.acls.get(mailboxId) ?? [];
  }

  /** Sessions look at their mailboxes anew: they may see more of them, or less. */
  setAcl(mailboxId: number, entries: readonly AclEntry[]): void {
    this.acls.set(mailboxId, entries);
    this.mailboxesChanged = true;
  }

  /** Makes the columns of a mailbox usable by DraftMailbox. Costs no promise's turn when they are there. */
  async loadTable(mailbox: DraftMailbox): Promise<void> {
    if (mailbox.state === undefined || mailbox.state.table !== undefined) return;
    await loadTable(this.state, mailbox.state, this.context);
  }

  /** Makes `email` answer for these emails. */
  async loadEmails(emailIds: readonly number[]): Promise<void> {
    const missing = emailIds.filter((id) => !this.emails.has(id));
    for (let start = 0; start < missing.length; start += pageRowsMax) {
      const ids = missing.slice(start, start + pageRowsMax);
      const values = await this.context.engine.getMany(ids.map((id) => this.state.keys.email(id)));
      for (let index = 0; index < ids.length; index++) {
        const value = values[index];
        const record = value === undefined ? undefined : decodeEmail(value);
        this.emails.set(ids[index]!, { record, before: record, created: undefined });
      }
    }
  }

  /** A loaded or created email; undefined: there is none. */
  email(emailId: number): EmailRecord | undefined {
    return this.emails.get(emailId)?.record;
  }

  async loadThreads(hashes: readonly number[]): Promise<void> {
    const missing = hashes.filter((hash) => !this.threads.has(hash));
    if (missing.length === 0) return;
    const values = await this.context.engine.getMany(missing.map((hash) => this.state.keys.thread(hash)));
    for (let index = 0; index < missing.length; index++) {
      const value = values[index];
      this.threads.set(missing[index]!, value === undefined ? undefined : decodeThreadRow(value));
    }
  }

  setThread(hash: number, row: ThreadRow | undefined): void {
    this.threads.set(hash, row);
    this.threadsChanged.add(hash);
  }

  createEmail(emailId: number, record: EmailRecord, created: CreatedEmail): void {
    this.emails.set(emailId, { record, created, before: undefined });
    this.account.bytesUsed += record.size;
    this.account.messagesUsed++;
  }

  /** Adds and removes a membership of a loaded email; the last one that goes takes the email away. */
  setMemberships(emailId: number, memberships: readonly number[]): void {
    const email = this.emails.get(emailId);
    if (email?.record === undefined) return; // Damaged before: store check reports it.
    if (memberships.length > 0) {
      email.record = { ...email.record, memberships };
      return;
    }
    this.account.bytesUsed -= email.record.size;
    this.account.messagesUsed--;
    for (const hash of email.record.threadHashes) this.setThread(hash, undefined);
    email.record = undefined;
  }

  addMembership(emailId: number, mailboxId: number, uid: number): void {
    const email = this.email(emailId);
    if (email !== undefined) this.setMemberships(emailId, [...email.memberships, mailboxId, uid]);
  }

  removeMembership(emailId: number, mailboxId: number, uid: number): void {
    const memberships = this.email(emailId)?.memberships ?? [];
    const kept: number[] = [];
    for (let index = 0; index < memberships.length; index += 2) {
      if (memberships[index] === mailboxId && memberships[index + 1] === uid) continue;
      kept.push(memberships[index]!, memberships[index + 1]!);
    }
    this.setMemberships(emailId, kept);
  }

  /** Notes a mutation as applied; its row overwrites the oldest one. */
  recordOperation(record: OperationRecord): void {
    this.operations.add(record, this.account.operations++);
  }

  appliedInDraft(operationId: string): OperationRecord | undefined {
    return this.operations.find(operationId);
  }

  blobHolder(emailId: number): string {
    return blobHolder(this.state.accountId, emailId);
  }

  newMailboxId(): MailboxId {
    return this.account.nextMailboxId++ as MailboxId;
  }

  /** Never one that was given before, even when the account comes back from an old backup. */
  newUidValidity(): number {
    this.account.uidValidity = Math.max(this.account.uidValidity + 1, this.nowSeconds);
    return this.account.uidValidity;
  }

  #named(name: string): DraftMailbox | undefined {
    const id = this.names.has(name) ? this.names.get(name) : this.state.mailboxIdByName.get(name);
    return id === undefined ? undefined : this.mailbox(id);
  }

  #add(mailbox: DraftMailbox): DraftMailbox {
    this.mailboxes.set(mailbox.id, mailbox);
    return mailbox;
  }
}
