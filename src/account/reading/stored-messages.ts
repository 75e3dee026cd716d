// Bytes of messages for a process that shares the store with the accounts' hosts: it asks the host where they are and reads
// them itself, so that they are not carried from one process to the other.
// Invariants: as message-reader.ts; who may read what the host decides, when it is asked where. The host knows better what
// there is: its word is asked for again where a message is not found here (a database that was left behind by a failover),
// or cannot be read here (the connection is away, the directory with the blobs is not there). So nothing fails here.

import { Fault } from '../../base/fault.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { BlobStore } from '../../storage/blobs/blob-store.ts';
import type { Reader } from '../../storage/engine.ts';
import { accountLimitsDefault } from '../account-limits.ts';
import type { MessageColumns } from '../port.ts';
import type { ByteRange, MessageBytes } from '../port-reads.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { readEmail, readMessagesAt } from './message-reader.ts';

/** What the host says of messages. */
export type MessagePlaces = Pick<MessageColumns, 'uids' | 'sizes' | 'emailIds'>;

export class StoredMessages {
  readonly #store: { readonly engine: Reader; readonly blobs: BlobStore };

  constructor(store: { readonly engine: Reader; readonly blobs: BlobStore }) {
    this.#store = store;
  }

  /**
   * As AccountPort.readMessages; `places` are those of `uids`, without those that are gone. Undefined: the host must be asked.
   */
  async readMessages(
    account: AccountId,
    { places, uids, bytesMax }: { places: MessagePlaces; uids: Uint32Array; bytesMax: number },
  ): Promise<MessageBytes[] | undefined> {
    const messages = await unlessFailed(readMessagesAt(this.#context(account), places, uids, bytesMax));
    const isWhole = messages?.every(({ uid, bytes }) => bytes !== undefined || !places.uids.includes(uid));
    return isWhole === true ? messages : undefined;
  }

  /** As AccountPort.readRange of a message that is there. Undefined: the host must be asked. */
  async readRange(account: AccountId, emailId: number, range: ByteRange): Promise<Uint8Array | undefined> {
    return unlessFailed(readEmail(this.#context(account), emailId, range));
  }

  #context(account: AccountId) {
    const { inlineBytesMax } = accountLimitsDefault;
    return { ...this.#store, keys: new AccountKeys(account), inlineBytesMax };
  }
}

async function unlessFailed<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
