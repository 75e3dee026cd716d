// The IMAP speaker in a harness, for its tests.

import type { AccountLimits } from '../../src/account/account-limits.ts';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { ImapLimits } from '../../src/speakers/imap/imap-limits.ts';
import { type ImapDependencies, imapProtocol } from '../../src/speakers/imap/imap-protocol.ts';
import type { SessionProtocol } from '../../src/speakers/kit/connection.ts';
import { type Harness, openHarness } from './harness.ts';
import { ImapClient } from './imap-client.ts';

export function imapFor(harness: Harness, more: Partial<ImapDependencies> = {}): SessionProtocol {
  return imapProtocol({
    authenticator: harness.directory,
    administration: harness.directory,
    accounts: harness.accounts,
    messageBytes: harness.messageBytes,
    clock: systemClock,
    random: systemRandom,
    hostname: 'mail.example.test',
    version: '0.0.0',
    offersTls: false,
    allowCleartextLogin: true,
    ...more,
  });
}

export interface ImapServer extends AsyncDisposable {
  readonly harness: Harness;
  readonly port: number;
  connect(): Promise<ImapClient>;
  /** A logged in client, with a mailbox selected when named. */
  alice(mailbox?: string): Promise<ImapClient>;
  bob(mailbox?: string): Promise<ImapClient>;
}

/** In the clear, with logins allowed. Clients are cut off when it is disposed. */
export async function openImapServer(
  limits: Partial<ImapLimits> = {},
  more: Partial<ImapDependencies> = {},
  accountLimits: Partial<AccountLimits> = {},
): Promise<ImapServer> {
  const harness = await openHarness(accountLimits);
  const listener = await harness.listen(imapFor(harness, { limits, ...more }));
  const clients: ImapClient[] = [];
  const kept = (client: ImapClient): ImapClient => {
    clients.push(client);
    return client;
  };
  const { port } = listener;
  return {
    harness,
    port,
    connect: async () => kept(await ImapClient.connect(port)),
    alice: async (mailbox) => kept(await ImapClient.login(port, 'alice', mailbox)),
    bob: async (mailbox) => kept(await ImapClient.login(port, 'bob', mailbox)),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      await harness[Symbol.asyncDispose]();
    },
  };
}
