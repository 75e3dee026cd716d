// Bytes of messages for a process that shares the store with the accounts' hosts: it asks the host where they are and reads
// them itself, so that they are not carried from one process to the other.
// Invariant: as message-reader.ts; who may read what the host decides, when it is asked where.

import type { AccountId } from '../mail/ids.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Reader } from '../storage/engine.ts';
import { AccountKeys } from './account-keys.ts';
import { accountLimitsDefault } from './account-limits.ts';
import { readEmail, readMessagesAt } from './message-reader.ts';
import type { MessageColumns } from './port.ts';
import type { ByteRange, MessageBytes } from './port-reads.ts';

/** What the host says of messages. */
export type MessagePlaces = Pick<MessageColumns, 'uids' | 'sizes' | 'emailIds'>;

export class StoredMessages {
  readonly #store: { readonly engine: Reader; readonly blobs: BlobStore };

  constructor(store: { readonly engine: Reader; readonly blobs: BlobStore }) {
    this.#store = store;
  }

  /** As AccountPort.readMessages; `places` are those of `uids`, without those that are gone. */
  readMessages(
    account: AccountId,
    { places, uids, bytesMax }: { places: MessagePlaces; uids: Uint32Array; bytesMax: number },
  ): Promise<MessageBytes[]> {
    return readMessagesAt(this.#context(account), places, uids, bytesMax);
  }

  /** As AccountPort.readRange. */
  async readRange(
    account: AccountId,
    { emailIds }: Pick<MessagePlaces, 'emailIds'>,
    range: ByteRange,
  ): Promise<Uint8Array | undefined> {
    return emailIds[0] === undefined ? undefined : readEmail(this.#context(account), emailIds[0], range);
  }

  #context(account: AccountId) {
    const { inlineBytesMax } = accountLimitsDefault;
    return { ...this.#store, keys: new AccountKeys(account), inlineBytesMax };
  }
}
