// Changes of many messages, cut into commits of a bounded size: RFC 9051 6.4.6 does not ask for all or nothing of STORE, nor
// does EXPUNGE; only a copy is one commit.
// Invariant: the chunks follow from what was asked alone, so that a retry has the same ones under the same ids.
// Failures: those of the commit that failed pass through; the chunks before it stay done, and a retry is told so.

import type { FlagBits } from '../../mail/flags.ts';
import type { ModSeq, OperationId } from '../../mail/ids.ts';
import { type CopyManner, copyMutation } from '../mutations/copy.ts';
import { type ExpungeOptions, expungeMutation } from '../mutations/expunge.ts';
import type { Mutation } from '../mutations/mutation.ts';
import { storeFlagsMutation } from '../mutations/store-flags.ts';
import type * as Port from '../port.ts';
import { forgetRenamed } from '../table/keyword-table.ts';
import {
  ascending,
  chunksByPage,
  chunksOf,
  chunksTakenOut,
  concatFlags,
  concatUids,
  isFullCommit,
} from '../table/uid-lists.ts';

/** Where the commits go. */
export interface ChunkWriter {
  readonly messagesPerCommit: number;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

/** `allowed`: the bits that may change. */
export async function storeFlagsInChunks(
  writer: ChunkWriter,
  options: Port.StoreFlagsOptions,
  allowed: FlagBits | undefined,
): Promise<Port.StoredFlags> {
  const given = { ...options, uids: ascending(options.uids) };
  const chunks = chunksByPage(given.uids, writer.messagesPerCommit);
  if (chunks.length === 1) return writer.submit(storeFlagsMutation(given, allowed));
  const stored: Port.StoredFlags[] = [];
  for (const [index, uids] of chunks.entries()) {
    const operation = chunkOperation(options.operation, index);
    stored.push(await writer.submit(storeFlagsMutation({ ...options, uids, operation }, allowed)));
  }
  const { keywords } = stored.at(-1)!;
  // Others may have been between two of them.
  for (const part of stored) forgetRenamed(part.messages, part.keywords, keywords);
  return {
    messages: concatFlags(stored.map((part) => part.messages)),
    modified: concatUids(stored.map((part) => part.modified)),
    missing: concatUids(stored.map((part) => part.missing)),
    keywords,
    modSeqBefore: modSeqBeforeAll(stored),
    modSeqAfter: stored.at(-1)!.modSeqAfter,
  };
}

/** A copy is one commit, all or nothing; a move of many messages is several. `allowed`: the flags that the copies may have. */
export async function copyInChunks(
  writer: ChunkWriter,
  options: Port.CopyOptions,
  allowed: CopyManner['allowed'],
): Promise<Port.Copied> {
  const given = { ...options, uids: ascending(options.uids) };
  const chunks = (options.move ? chunksTakenOut : chunksOf)(given.uids, writer.messagesPerCommit);
  if (chunks.length === 1) return writer.submit(copyMutation(given, { allowed }));
  if (!options.move) return writer.submit(copyMutation(given, { allowed, staged: true }));
  const copied: Port.Copied[] = [];
  for (const [index, uids] of chunks.entries()) {
    const operation = chunkOperation(options.operation, index);
    copied.push(await writer.submit(copyMutation({ ...options, uids, operation }, { allowed })));
  }
  return {
    ...copied.at(-1)!,
    sourceUids: concatUids(copied.map((part) => part.sourceUids)),
    targetUids: concatUids(copied.map((part) => part.targetUids)),
  };
}

export async function expungeInChunks(writer: ChunkWriter, options: ExpungeOptions): Promise<Port.Expunged> {
  const { messagesPerCommit } = writer;
  const uids = options.uids && ascending(options.uids);
  const chunks = uids === undefined ? [undefined] : chunksTakenOut(uids, messagesPerCommit);
  const expunged: Port.Expunged[] = [];
  for (let index = 0, chunk = 0; chunk < chunks.length; index++) {
    const operation = chunkOperation(options.operation, index);
    const mutation = expungeMutation({ ...options, uids: chunks[chunk], operation }, messagesPerCommit);
    const part = await writer.submit(mutation);
    expunged.push(part);
    // Without a list of uids one chunk stands for all there are: again until fewer went than could.
    if (options.uids !== undefined || !isFullCommit(part.uids, messagesPerCommit)) chunk++;
  }
  return { uids: concatUids(expunged.map((part) => part.uids)), modSeq: expunged.at(-1)!.modSeq };
}

/** Before the first chunk, unless somebody else came between two of them. */
function modSeqBeforeAll(chunks: readonly Port.StoredFlags[]): ModSeq {
  let reached = chunks[0]!.modSeqBefore;
  for (const { modSeqBefore, modSeqAfter } of chunks) {
    if (modSeqBefore !== reached) return modSeqBefore;
    reached = modSeqAfter;
  }
  return chunks[0]!.modSeqBefore;
}

/** The first chunk bears the caller's id, so that the id of a small mutation is what the caller chose. */
function chunkOperation(operation: OperationId, index: number): OperationId {
  return index === 0 ? operation : (`${operation}#${index}` as OperationId);
}
