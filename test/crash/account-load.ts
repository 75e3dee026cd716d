// What the account crash test and the process it kills share: the store, the changes, and the messages, whose bytes
// follow from a token, so that the parent can tell whether one is whole.

import { join } from 'node:path';
import { type AccountHosts, openAccountHosts } from '../../src/account/account-hosts.ts';
import type { AccountPort } from '../../src/account/port.ts';
import { prepareSmallMessage } from '../../src/account/prepare.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { acquireAllShards } from '../../src/cluster/local-shards.ts';
import type { AccountId, MailboxId, OperationId } from '../../src/mail/ids.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import {
  type FilesystemBlobStore,
  openFilesystemBlobStore,
} from '../../src/storage/blobs/filesystem-blob-store.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb/lmdb-engine.ts';

export const accountId = 'crashtestaccount' as AccountId;

export interface CrashStore {
  readonly engine: Engine;
  readonly blobs: FilesystemBlobStore;
  readonly hosts: AccountHosts;
  account(): Promise<AccountPort>;
  close(): Promise<void>;
}

export async function openCrashStore(directory: string): Promise<CrashStore> {
  const shared = { clock: systemClock, log: silentLog };
  const engine = await openLmdbEngine({ ...shared, directory: join(directory, 'engine') });
  const blobs = await openFilesystemBlobStore({
    ...shared,
    engine,
    directory: join(directory, 'blobs'),
    compression: { level: 1 },
  });
  const shards = await acquireAllShards(engine);
  // Small commits and rings, so that staged copies, pruning and forgotten operations happen too; the larger messages
  // are blobs.
  const limits = {
    inlineBytesMax: 8192,
    messagesPerCommit: 3,
    tombstonesMax: 20,
    tombstonesInMemoryMax: 4,
    operationsKept: 400,
  };
  const hosts = openAccountHosts({ ...shared, engine, blobs, shards, limits });
  return {
    engine,
    blobs,
    hosts,
    async account() {
      await hosts.create(accountId).catch((error: unknown) => {
        if (!isMailError(error, 'conflict')) throw error;
      });
      return hosts.open(accountId);
    },
    async close() {
      await hosts.close();
      await blobs.close();
      await engine.close();
    },
  };
}

interface Changing {
  readonly operation: OperationId;
  readonly box: MailboxId;
}

export type Intent =
  | (Changing & { readonly type: 'append'; readonly token: string; readonly sizes: readonly number[] })
  | (Changing & { readonly type: 'flags'; readonly uids: readonly number[]; readonly keyword: string })
  | (Changing & { readonly type: 'expunge'; readonly uids: readonly number[] })
  | (Changing & { readonly type: 'copy' | 'move'; readonly uids: readonly number[]; readonly to: MailboxId });

/** What was acknowledged: the uids given or taken, in the mailbox they are of. */
export interface Done {
  readonly uids: readonly number[];
  readonly modSeq: number;
}

/** An account that comes, gets some mail, and goes again. */
export interface Passing {
  readonly accountId: AccountId;
}

/** Fills a new account and removes it. */
export async function performPassing(hosts: AccountHosts, { accountId: passing }: Passing): Promise<void> {
  await hosts.create(passing);
  const account = await hosts.open(passing);
  const messages = [100, 9000, 300, 20_000].map((size, index) => ({
    prepared: prepareSmallMessage(messageOf(passing, index, size)),
    flags: [],
    internalDate: index,
  }));
  const operation = `${passing}-append` as OperationId;
  await account.append({ operation, target: { role: 'inbox' }, messages });
  await hosts.remove(passing);
}

/** The message number `index` of a token: its bytes are all there or the token does not repeat to the end. */
export function messageOf(token: string, index: number, size: number): Buffer {
  const head = `From: crash@example.test\r\nSubject: ${token}/${index}\r\nMessage-ID: <${token}.${index}@crash.test>\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size, `${token}/${index};`)]);
}

export async function performIntent(account: AccountPort, intent: Intent): Promise<Done> {
  const { operation, box } = intent;
  switch (intent.type) {
    case 'append': {
      const messages = intent.sizes.map((size, index) => ({
        prepared: prepareSmallMessage(messageOf(intent.token, index, size)),
        flags: [],
        internalDate: undefined,
      }));
      const { uids, modSeq } = await account.append({ operation, target: { id: box }, messages });
      return { uids: [...uids], modSeq };
    }
    case 'flags': {
      const uids = Uint32Array.from(intent.uids);
      const flags = [intent.keyword];
      const options = {
        operation,
        mailboxId: box,
        uids,
        mode: 'replace' as const,
        flags,
        unchangedSince: undefined,
      };
      const { messages } = await account.storeFlags(options);
      return { uids: [...messages.uids], modSeq: Math.max(...messages.modSeqs) };
    }
    case 'expunge': {
      const uids = Uint32Array.from(intent.uids);
      const expunged = await account.expunge({ operation, mailboxId: box, uids, anyFlags: true });
      return { uids: [...expunged.uids], modSeq: expunged.modSeq };
    }
    case 'copy':
    case 'move': {
      const uids = Uint32Array.from(intent.uids);
      const move = intent.type === 'move';
      const copied = await account.copy({ operation, from: box, uids, to: { id: intent.to }, move });
      return { uids: [...copied.targetUids], modSeq: copied.modSeq };
    }
  }
}
