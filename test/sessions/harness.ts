// A whole server for session tests, in this process: the real account hosts and directory over the memory engine, and
// listeners on free ports of the loopback address. Where the accounts are hosted is the setting's business
// (account-hosting.ts). Everything is closed by `await using`.

import type { AccountHostsOptions } from '../../src/account/account-hosts.ts';
import type { AccountPort } from '../../src/account/port.ts';
import { newOperation } from '../../src/account/testing.ts';
import { ByteBudget } from '../../src/base/byte-budget.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { directoryPeople } from '../../src/cluster/directory-people.ts';
import type { NewAccount } from '../../src/directory/directory.ts';
import { type InternalDirectory, openInternalDirectory } from '../../src/directory/internal-directory.ts';
import { testSettings } from '../../src/directory/testing.ts';
import type { AccountId } from '../../src/mail/ids.ts';
import type { SessionProtocol } from '../../src/speakers/kit/connection.ts';
import { type Listener, openListener } from '../../src/speakers/kit/listener.ts';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import type { BlobStore } from '../../src/storage/blobs/blob-store.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory-engine.ts';
import { type HostedForTests, openAccountHosting } from './account-hosting.ts';
import { openMemoryBlobs } from './memory-blobs.ts';

/** Of all accounts of the harness. */
export const password = 'correct horse';

export interface Harness extends AsyncDisposable {
  readonly engine: Engine;
  readonly accounts: HostedForTests;
  readonly directory: InternalDirectory;
  readonly messageBytes: ByteBudget;
  /** Adds `name@example.test`; alice and bob are there. */
  addAccount(name: string, more?: Partial<NewAccount>): Promise<AccountId>;
  account(name: string): Promise<AccountPort>;
  listen(protocol: SessionProtocol, tls?: 'none' | 'starttls' | 'implicit'): Promise<Listener>;
}

/** Where the harness keeps its data, for tests and measurements on a real store; it is closed with the harness. */
export interface HarnessStorage {
  readonly engine: Engine;
  readonly blobs: BlobStore;
}

export async function openHarness(
  limits: AccountHostsOptions['limits'] = {},
  storage: HarnessStorage = { engine: openMemoryEngine(), blobs: openMemoryBlobs() },
): Promise<Harness> {
  const { engine, blobs } = storage;
  const clock = systemClock;
  const people = directoryPeople(() => directory);
  const hosting = await openAccountHosting({ engine, blobs, limits, people });
  const directory: InternalDirectory = await openInternalDirectory({
    engine,
    clock,
    random: systemRandom,
    log: silentLog,
    settings: {
      ...testSettings,
      failuresPerAddress: 1000,
      hooks: {
        onAccountAdded: ({ id, quotaBytes, quotaMessages }) =>
          hosting.create(id, { bytesMax: quotaBytes, messagesMax: quotaMessages }),
        onAccountChanged: async ({ id, quotaBytes, quotaMessages }) => {
          const account = await hosting.accounts.open(id);
          const limits = { bytesMax: quotaBytes, messagesMax: quotaMessages };
          await account.setQuota({ operation: newOperation(), ...limits });
        },
      },
    },
  });
  await directory.addDomain({ name: 'example.test' });
  const listeners: Listener[] = [];
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  const harness: Harness = {
    engine,
    accounts: hosting.accounts,
    directory,
    messageBytes: new ByteBudget(256 * 1024 * 1024, clock),
    async addAccount(name, more) {
      const added = await directory.addAccount({ address: `${name}@example.test`, password, ...more });
      return added.id;
    },
    async account(name) {
      const found = await directory.accountByAddress(`${name}@example.test`);
      return hosting.accounts.open(found!.id);
    },
    async listen(protocol, tls = 'none') {
      const listener = await openListener({
        name: protocol.name,
        address: '127.0.0.1',
        port: 0,
        tls,
        tlsContexts,
        protocol,
        limits: { connectionsMax: 10_000, connectionsPerAddressMax: 10_000 },
        clock,
        log: silentLog,
      });
      listeners.push(listener);
      return listener;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(listeners.map((listener) => listener.close(100)));
      await directory[Symbol.asyncDispose]();
      await hosting.close();
      await blobs.close();
      await engine.close();
    },
  };
  await harness.addAccount('alice');
  await harness.addAccount('bob');
  return harness;
}
