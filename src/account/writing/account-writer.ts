// The only writer of one account. Mutations queue; while a commit is under way more of them queue up; then all that
// wait are decided one after the other on a draft, committed as one batch under the shard's fence, and only when the
// engine said `committed` does memory change, are callers answered and watchers told (STYLE 9).
//
// Invariants: at most one commit of an account is under way; state in memory equals the engine's, or is dropped.
// Failures: a refusal concerns its mutation alone; storageFull fails what does not fit and nothing else; a Fault leaves the
// outcome unknown, so the state is thrown away and read again; `fenced` closes the account for good.

import { assert } from '../../base/assert.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { Slicer } from '../../base/slicer.ts';
import { traceOf } from '../../mail/ids.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import type { Batch, CommitResult, Engine, Fence } from '../../storage/engine.ts';
import { groupBytesMax, groupMutationsMax } from '../account-limits.ts';
import type { AccountMetrics } from '../account-metrics.ts';
import type { AccountState } from '../account-state.ts';
import type { Mutation } from '../mutations/mutation.ts';
import { decodeOperation, type OperationRecord } from '../records/operation-record.ts';
import { Draft, type DraftContext } from './draft.ts';
import { applyDraft, draftBatch, draftBatchSteps, isLarge } from './draft-batch.ts';
import { removeStaged } from './staged-copy.ts';

/**
 * A commit that meets a blob being collected or compressed is decided again. Seen: three times in a row, when both ran
 * without a pause; after so many the caller is told to come again.
 */
const attemptsMax = 10;

export interface WriterOptions extends DraftContext {
  readonly engine: Engine;
  readonly log: Logger;
  readonly metrics: AccountMetrics;
  /** Of the account's shard, now. */
  fence(): Fence | undefined;
  load(): Promise<AccountState>;
  readonly claimedTo: (mailboxId: number) => number;
  /** After a commit. */
  committed(draft: Draft): void;
  /** The state was thrown away after a commit of unknown outcome. */
  lost(state: AccountState): void;
  /** Another owner has the shard. */
  fenced(): void;
}

interface Pending {
  // The queue is of mixed types; submit keeps a mutation and its promise together.
  readonly mutation: Mutation<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Decided = { readonly pending: Pending } & (
  | { readonly refused: false; readonly value: unknown }
  | { readonly refused: true; readonly error: unknown }
);

/** In the log line of a commit that failed: enough to find the others by. */
const operationsToldMax = 10;

export class AccountWriter {
  readonly #options: WriterOptions;
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;
  #state: AccountState | undefined;
  #loading: Promise<AccountState> | undefined;
  #closed: MailError | undefined;
  /** What is being decided, or committed. */
  #draft: Draft | undefined;
  /** What is under way, or was last. */
  #group: readonly Pending[] = [];

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** The committed state, when it is in memory. */
  get state(): AccountState | undefined {
    return this.#state;
  }

  /** True: what the engine has of this mailbox may be newer than the committed state in memory, or is about to be. */
  isChanging(mailboxId: number): boolean {
    return this.#draft?.mailboxes.has(mailboxId) ?? false;
  }

  /** Everything is refused from now on. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get busy(): boolean {
    return this.#running !== undefined || this.#loading !== undefined || this.#queue.length > 0;
  }

  /** The committed state, read from the engine if need be. */
  async open(): Promise<AccountState> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#state !== undefined) return this.#state;
    this.#loading ??= this.#load();
    return this.#loading;
  }

  /** Resolves when the mutation is durable; rejects with its refusal, a Fault, or `unavailable` when closed. */
  submit<T>(mutation: Mutation<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#queue.length >= this.#options.limits.queueMax) {
      return Promise.reject(new MailError('limitReached', 'too many changes are waiting for this account'));
    }
    return new Promise<T>((resolve, reject) => {
      const pending = { mutation, resolve, reject };
      this.#queue.push(pending as unknown as Pending);
      this.#running ??= this.#run();
    });
  }

  /** Gives the memory back; only when not busy. */
  unload(): void {
    assert(!this.busy, 'a busy account is not unloaded');
    this.#state = undefined;
  }

  /** Refuses everything from now on; what was submitted before ends first. */
  async close(error: MailError): Promise<void> {
    this.#closed ??= error;
    await this.#running;
    this.#state = undefined;
  }

  async #load(): Promise<AccountState> {
    try {
      const state = await this.#options.load();
      if (this.#closed !== undefined) throw this.#closed;
      this.#state = state;
      return state;
    } finally {
      this.#loading = undefined;
    }
  }

  async #run(): Promise<void> {
    // What arrives in the same turn of the event loop goes into the same group.
    await undefined;
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#perform(group);
      } catch (error) {
        // What makes room must not fail for the new mail beside it.
        if (group.length > 1 && isMailError(error, 'storageFull')) await this.#performAlone(group);
        else for (const pending of group) pending.reject(error);
      }
    }
    this.#running = undefined;
  }

  async #performAlone(group: readonly Pending[]): Promise<void> {
    for (const pending of group) {
      try {
        await this.#perform([pending]);
      } catch (error) {
        pending.reject(error);
      }
    }
  }

  #takeGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < groupMutationsMax) {
      if (this.#queue[count]!.mutation.exclusive === true) {
        if (count === 0) count = 1;
        break;
      }
      bytes += this.#queue[count]!.mutation.bytes;
      if (count > 0 && bytes > groupBytesMax) break;
      count++;
    }
    if (count === this.#queue.length) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, count);
  }

  async #perform(group: readonly Pending[]): Promise<void> {
    this.#group = group;
    try {
      for (let attempt = 1; !(await this.#try(group, attempt)); attempt++) await this.#putBlobs(group);
    } finally {
      this.#draft = undefined;
    }
  }

  /** False: a blob that the group links has vanished. */
  async #try(group: readonly Pending[], attempt: number): Promise<boolean> {
    // Of a writer that has been closed meanwhile, too: it was submitted before.
    const state = this.#state ?? (await this.open());
    if (state.account.staged !== undefined) await this.#unstage(state);
    const draft = new Draft(state, this.#context(state));
    this.#draft = draft;
    const decided = await this.#decide(group, draft);
    const startedAt = this.#options.clock.monotonic();
    const result = draft.version === 0 ? undefined : await this.#commit(draft);
    if (result !== undefined)
      this.#options.metrics.observeCommit(group.length, this.#options.clock.monotonic() - startedAt);
    if (result?.outcome === 'conflict') {
      if (attempt === attemptsMax) throw new Fault('a blob vanished again and again', { temporary: true });
      return false;
    }
    if (result?.outcome === 'fenced') throw this.#fenced();
    this.#settle(decided, result === undefined ? undefined : draft);
    return true;
  }

  /** The draft is committed; undefined: nothing had to be. */
  #settle(decided: readonly Decided[], draft: Draft | undefined): void {
    const reload = draft !== undefined && (draft.reloadAfter || !this.#applied(draft));
    if (reload) this.#state = undefined;
    if (draft !== undefined) this.#tellStored(decided, draft.state);
    for (const one of decided) {
      if (one.refused) one.pending.reject(one.error);
      else one.pending.resolve(one.value);
    }
    if (reload) this.#options.lost(draft.state);
    else if (draft !== undefined) this.#options.committed(draft);
  }

  /** The host's end of a trace: what came of a session or a message on whichever node is stored here. */
  #tellStored(decided: readonly Decided[], { accountId: account }: AccountState): void {
    const { log } = this.#options;
    if (!log.isLevelEnabled('debug')) return;
    for (const { pending, refused } of decided) {
      const { name: change, operation } = pending.mutation;
      if (refused || operation === undefined) continue;
      log.debug({ traceId: traceOf(operation), account, operation, change }, 'change stored');
    }
  }

  /** False when memory could not follow what is committed: a bug, after which only the engine's state is true. */
  #applied(draft: Draft): boolean {
    try {
      applyDraft(draft);
      return true;
    } catch (error) {
      const account = draft.state.accountId;
      this.#options.log.error({ err: error, account }, 'a committed change could not be applied in memory');
      return false;
    }
  }

  async #decide(group: readonly Pending[], draft: Draft): Promise<Decided[]> {
    const hashes: number[] = [];
    for (const { mutation } of group)
      if (mutation.threadHashes !== undefined) hashes.push(...mutation.threadHashes);
    if (hashes.length > 0) await draft.loadThreads([...new Set(hashes)]);
    const decided: Decided[] = [];
    for (const pending of group) {
      const { version } = draft;
      try {
        const outcome = this.#apply(pending.mutation, draft);
        const value = outcome instanceof Promise ? await outcome : outcome;
        decided.push({ pending, refused: false, value });
      } catch (error) {
        // A mutation that fails half-way would leave a trace: the whole group fails, nothing is written.
        if (draft.version !== version) {
          if (draft.staged) this.#lose(draft.state, error);
          throw error;
        }
        decided.push({ pending, refused: true, error });
      }
    }
    return decided;
  }

  #apply(mutation: Mutation<unknown>, draft: Draft): unknown {
    const { operation } = mutation;
    if (operation === undefined) return mutation.decide(draft);
    const inDraft = draft.appliedInDraft(operation);
    if (inDraft !== undefined) return replay(mutation, inDraft, draft);
    const slot = draft.state.operationSlots.get(operation);
    if (slot !== undefined) return this.#replayStored(mutation, slot, draft);
    draft.operations.requireRoom();
    const { version } = draft;
    const value = mutation.decide(draft);
    if (value instanceof Promise) return value.then((settled) => remember(mutation, settled, draft, version));
    return remember(mutation, value, draft, version);
  }

  async #replayStored(mutation: Mutation<unknown>, slot: number, draft: Draft): Promise<unknown> {
    const value = await this.#options.engine.get(draft.state.keys.operation(slot));
    assert(value !== undefined, 'a remembered operation has a row');
    return replay(mutation, decodeOperation(value), draft);
  }

  async #commit(draft: Draft): Promise<CommitResult> {
    try {
      const { engine, clock } = this.#options;
      const fence = this.#fence();
      if (!isLarge(draft)) return await engine.commit(draftBatch(draft, fence));
      const batch = await new Slicer(clock).finish(draftBatchSteps(draft, fence));
      this.#fence();
      const result = await engine.commit(batch);
      // The engine has taken all of it in just now, and memory is to follow at once.
      await clock.yieldTurn();
      return result;
    } catch (error) {
      // The contract: nothing of a batch without room is visible, now or later. Anything else: we do not know.
      if (!isMailError(error, 'storageFull') || draft.staged) this.#lose(draft.state, error);
      throw error;
    }
  }

  /** Of a commit now. Refuses once the account is closed: what was decided before may have been decided on what is gone. */
  #fence(): Fence | undefined {
    if (this.#closed !== undefined) throw this.#closed;
    return this.#options.fence();
  }

  #fenced(): MailError {
    this.#closed = new MailError('unavailable', 'the account has moved');
    this.#state = undefined;
    this.#options.fenced();
    return this.#closed;
  }

  #lose(state: AccountState, error: unknown): void {
    if (this.#state !== state || this.#closed !== undefined) return;
    this.#state = undefined;
    // A lease that ran out is no fault of the store: the account is read again here or by another node.
    const level = isMailError(error, 'unavailable') ? 'warn' : 'error';
    const operations = this.#group.slice(0, operationsToldMax).map(({ mutation }) => mutation.operation);
    this.#options.log[level](
      { err: error, account: state.accountId, operations },
      'a commit failed, the account is read again',
    );
    this.#options.lost(state);
  }

  #context(state: AccountState): DraftContext {
    const { engine, blobs, clock, limits, claimedTo } = this.#options;
    return { engine, blobs, clock, limits, claimedTo, stage: (batch) => this.#stage(state, batch) };
  }

  async #stage(state: AccountState, batch: Batch): Promise<void> {
    const fence = this.#fence();
    let result: CommitResult;
    try {
      result = await this.#options.engine.commit(fence === undefined ? batch : { ...batch, fence });
    } catch (error) {
      // What was staged before stays until the account is read again and unstaged, even when only room was missing.
      this.#lose(state, error);
      throw error;
    }
    if (result.outcome === 'fenced') throw this.#fenced();
    assert(result.outcome === 'committed', 'a stage has no conditions');
  }

  async #unstage(state: AccountState): Promise<void> {
    await removeStaged(state, this.#context(state));
  }

  async #putBlobs(group: readonly Pending[]): Promise<void> {
    for (const { mutation } of group) {
      for (const { digest, bytes } of mutation.blobs ?? []) await this.#options.blobs.put(digest, bytes);
    }
  }
}

/** An operation that changed nothing is not worth a commit: done again it changes nothing again, or what is new. */
function remember(mutation: Mutation<unknown>, value: unknown, draft: Draft, versionBefore: number): unknown {
  if (draft.version !== versionBefore) {
    draft.recordOperation({
      operationId: mutation.operation!,
      mutation: mutation.name,
      result: mutation.result(value),
    });
  }
  return value;
}

function replay(mutation: Mutation<unknown>, record: OperationRecord, draft: Draft): unknown {
  if (record.mutation !== mutation.name) {
    throw new MailError('invalidArgument', `this operation id was used for ${record.mutation}`);
  }
  return mutation.replay(record.result, draft);
}
