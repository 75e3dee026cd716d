// New messages on their way to the writer: the bytes of large ones go into the blob store first, and the commit links them.
// Invariant: nothing large is written for an append that the quota is known to refuse; the writer has the last word, and what
// was written for one that it refuses is collected as a blob without messages.
// Fails as the append does, and with the blob store's Faults.

import { MailError } from '../../mail/mail-error.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { AccountState } from '../account-state.ts';
import { appendMutation } from '../mutations/append.ts';
import type { Mutation } from '../mutations/mutation.ts';
import type { Appended, AppendOptions, ReplaceOptions } from '../port.ts';

/** Where they go. */
export interface MessageWriter {
  readonly inlineBytesMax: number;
  readonly blobs: BlobStore;
  loaded(): Promise<AccountState> | AccountState;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

/** `find`: as appendMutation has it. */
export function appendMessages(
  writer: MessageWriter,
  options: AppendOptions | ReplaceOptions,
  find?: Parameters<typeof appendMutation>[2],
): Promise<Appended> {
  const mutation = appendMutation(options, writer.inlineBytesMax, find);
  return mutation.blobs?.length ? appendLarge(writer, options, mutation) : writer.submit(mutation);
}

async function appendLarge(
  writer: MessageWriter,
  options: AppendOptions | ReplaceOptions,
  mutation: Mutation<Appended>,
): Promise<Appended> {
  await checkRoom(writer, options);
  for (const { digest, bytes } of mutation.blobs ?? []) await writer.blobs.put(digest, bytes);
  return writer.submit(mutation);
}

/** Before anything is written. */
async function checkRoom(writer: MessageWriter, options: AppendOptions | ReplaceOptions): Promise<void> {
  if ('replaces' in options || options.ifNew === true) return; // what it takes is decided later
  const { account, operationSlots } = await writer.loaded();
  if (operationSlots.has(options.operation) || account.bytesMax === undefined) return;
  let bytes = account.bytesUsed;
  for (const { prepared } of options.messages) bytes += prepared.bytes.length;
  if (bytes > account.bytesMax) throw new MailError('overQuota', 'no room in bytes');
}
