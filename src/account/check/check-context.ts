// What the passes of a store check share: the account, what was found, and how to change something. Every pass looks at
// one bounded page at a time, through the account's writer, so that nothing is written between looking and repairing.
// Invariant: without `repair` nothing is changed.

import type { Clock } from '../../base/clock.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Bytes, Condition, Engine, Entry } from '../../storage/engine.ts';
import { encodeRecord } from '../../storage/record.ts';
import { encodeTuple } from '../../storage/tuple.ts';
import type { LocalAccount } from '../local-account.ts';
import { internalMutation } from '../mutations/mutation.ts';
import type { KeyRange } from '../records/account-keys.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { blobHolder } from '../records/email-record.ts';
import { encodeMessagePage, MessagePage, pageOf } from '../table/message-page.ts';
import type { Draft } from '../writing/draft.ts';

export type CheckAction = 'repaired' | 'setAside' | 'reported';

export interface Finding {
  readonly accountId: AccountId;
  /** For people; no message content. */
  readonly what: string;
  readonly action: CheckAction;
}

/** Emails per page: the account's writers wait while their bytes are read, which large ones make long. */
export const checkPageRows = 16;
const checkPageBytes = 1024 * 1024;

export interface CheckOptions {
  readonly account: LocalAccount;
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly repair: boolean;
}

export class CheckContext {
  readonly account: LocalAccount;
  readonly accountId: AccountId;
  readonly keys: AccountKeys;
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly repair: boolean;
  readonly findings: Finding[] = [];
  #held: Promise<Map<string, Uint8Array>> | undefined;

  constructor(options: CheckOptions) {
    this.account = options.account;
    this.accountId = options.account.accountId;
    this.keys = new AccountKeys(this.accountId);
    this.engine = options.engine;
    this.blobs = options.blobs;
    this.clock = options.clock;
    this.repair = options.repair;
  }

  /** The blob an email held, by the blob store's links; undefined when it held none. Walked once, when first asked. */
  async blobHeldBy(emailId: number): Promise<Uint8Array | undefined> {
    this.#held ??= this.#blobsHeld();
    return (await this.#held).get(blobHolder(this.accountId, emailId));
  }

  async #blobsHeld(): Promise<Map<string, Uint8Array>> {
    const held = new Map<string, Uint8Array>();
    if (this.blobs.heldBy === undefined) return held;
    for await (const { digest, holder } of this.blobs.heldBy(`${this.accountId}/`)) held.set(holder, digest);
    return held;
  }

  /** Notes a finding; `action` is what is done about it when repairing. */
  found(what: string, action: CheckAction): void {
    this.findings.push({ accountId: this.accountId, what, action: this.repair ? action : 'reported' });
  }

  /** Runs `visit` on each page of a range, alone with the account. */
  async eachPage(
    range: KeyRange,
    visit: (repair: Repair, entries: readonly Entry[]) => Promise<void>,
    entriesMax = checkPageRows,
  ): Promise<void> {
    let start: Bytes | undefined = range.start;
    while (start !== undefined) {
      const from: Bytes = start;
      start = await this.alone(async (repair) => {
        const limits = { entriesMax, bytesMax: checkPageBytes };
        const page = await this.engine.page({ start: from, end: range.end }, limits);
        await visit(repair, page.entries);
        return page.next;
      });
      await this.clock.yieldTurn();
    }
  }

  /** Runs a body with no other mutation of the account beside it. */
  alone<T>(body: (repair: Repair) => Promise<T>): Promise<T> {
    const known = this.findings.length;
    return this.account.writer.submit({
      ...internalMutation('storeCheck', async (draft) => {
        // Decided again when a condition failed: what was found then is found again.
        this.findings.length = known;
        const repair = new Repair(draft, this.accountId);
        const result = await body(repair);
        if (this.repair) await repair.finish();
        return result;
      }),
      exclusive: true,
    });
  }
}

/** The changes of one page, applied to the draft at its end. */
export class Repair {
  readonly draft: Draft;
  readonly #accountId: AccountId;
  readonly #puts: Entry[] = [];
  readonly #deletes: Bytes[] = [];
  readonly #conditions: Condition[] = [];
  readonly #vanished: { mailboxId: number; uid: number; emailId: number }[] = [];
  readonly #edits: ((draft: Draft) => void)[] = [];

  constructor(draft: Draft, accountId: AccountId) {
    this.draft = draft;
    this.#accountId = accountId;
  }

  put(key: Bytes, value: Bytes): void {
    this.#puts.push({ key, value });
  }

  /** The changes hold only if it does; else the page is looked at again. */
  onlyIf(condition: Condition): void {
    this.#conditions.push(condition);
  }

  delete(key: Bytes): void {
    this.#deletes.push(key);
  }

  /** Moves a row to where nobody but people looks. */
  setAside({ key, value }: Entry): void {
    this.delete(key);
    this.put(encodeTuple(['quarantine', this.#accountId, key]), encodeRecord('quarantine', 1, value));
  }

  /** A message leaves its mailbox; sessions are told. Counters are put right by the last pass. */
  vanish(mailboxId: number, uid: number, emailId: number): void {
    this.#vanished.push({ mailboxId, uid, emailId });
  }

  edit(change: (draft: Draft) => void): void {
    this.#edits.push(change);
  }

  async finish(): Promise<void> {
    const { draft } = this;
    const changes = this.#puts.length + this.#deletes.length + this.#vanished.length + this.#edits.length;
    if (changes === 0) return;
    const modSeq = draft.nextModSeq();
    draft.reloadAfter = true;
    draft.puts.push(...this.#puts);
    draft.deletes.push(...this.#deletes);
    await this.#removeVanished();
    draft.conditions.push(...this.#conditions);
    for (const { mailboxId, uid, emailId } of this.#vanished) {
      const mailbox = draft.goneMailbox(mailboxId);
      if (mailbox === undefined) continue;
      mailbox.tombstones.push(modSeq, uid, emailId);
      mailbox.record.tombstones++;
      mailbox.touch(modSeq);
    }
    for (const change of this.#edits) change(draft);
  }

  /** Their rows go, and their entries in pages. */
  async #removeVanished(): Promise<void> {
    const { context, state, puts, deletes } = this.draft;
    const { keys } = state;
    const gone = new Map<string, { mailboxId: number; number: number; uids: Set<number> }>();
    for (const { mailboxId, uid } of this.#vanished) {
      deletes.push(keys.message(mailboxId, uid));
      const number = pageOf(uid);
      const name = `${mailboxId}/${number}`;
      const known = gone.get(name) ?? { mailboxId, number, uids: new Set() };
      gone.set(name, known);
      known.uids.add(uid);
    }
    const page = new MessagePage();
    for (const { mailboxId, number, uids } of gone.values()) {
      const key = keys.messagePage(mailboxId, number);
      const value = await context.engine.get(key);
      if (value === undefined) continue;
      // A damaged one is the concern of the pass over pages, which was before.
      if (!page.loadSound(number, value)) continue;
      page.filter((uid) => !uids.has(uid));
      if (page.length === 0) deletes.push(key);
      else puts.push({ key, value: encodeMessagePage(page) });
    }
  }
}
