// A POP3 server for transcript tests: the real directory and account host over the memory engine, real sockets.

import { type AccountHosts, openAccountHosts } from '../../src/account/account-hosts.ts';
import type { AccountPort, AccountPorts } from '../../src/account/port.ts';
import { prepareMessage } from '../../src/account/prepare.ts';
import { shardCount } from '../../src/account/shard.ts';
import { openMemoryBlobStore } from '../../src/account/testing.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { DirectoryAccount } from '../../src/directory/directory.ts';
import { type InternalDirectory, openInternalDirectory } from '../../src/directory/internal-directory.ts';
import { testSettings } from '../../src/directory/testing.ts';
import type { Epoch, OperationId } from '../../src/mail/ids.ts';
import { openListener } from '../../src/speakers/kit/listener.ts';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import { type Pop3Dependencies, pop3Protocol } from '../../src/speakers/pop3/pop3-protocol.ts';
import { raiseEpoch } from '../../src/storage/fence.ts';
import { openMemoryEngine } from '../../src/storage/memory-engine.ts';

export const password = 'pencil';

export interface Pop3Server extends AsyncDisposable {
  readonly port: number;
  readonly directory: InternalDirectory;
  readonly hosts: AccountHosts;
  /** alice@example.test. */
  readonly alice: DirectoryAccount;
  /** Every port given to sessions goes through it: a test may break one. */
  wrap: (port: AccountPort) => AccountPort;
  close(limitMs: number): Promise<void>;
}

export async function openPop3Server(
  options: Partial<Pop3Dependencies> & { tls?: 'starttls' | 'implicit' } = {},
): Promise<Pop3Server> {
  const clock = systemClock;
  const engine = openMemoryEngine();
  await engine.commit({
    puts: Array.from(
      { length: shardCount },
      (_, shard) => raiseEpoch(shard as never, undefined, 1 as Epoch).put,
    ),
  });
  const hosts = openAccountHosts({
    engine,
    blobs: openMemoryBlobStore(engine),
    shards: { epochOf: () => 1 as Epoch },
    clock,
    log: silentLog,
  });
  const hooks = { onAccountAdded: async (account: DirectoryAccount) => hosts.create(account.id) };
  const settings = { ...testSettings, failuresPerAddress: 100, hooks };
  const directory = await openInternalDirectory({
    engine,
    clock,
    random: systemRandom,
    log: silentLog,
    settings,
  });
  await directory.addDomain({ name: 'example.test' });
  const alice = await directory.addAccount({ address: 'alice@example.test', password });
  const accounts: AccountPorts = { open: async (id) => server.wrap(await hosts.open(id)) };
  const protocol = pop3Protocol({
    authenticator: directory,
    accounts,
    clock,
    random: systemRandom,
    hostname: 'mail.example.test',
    offersTls: true,
    allowCleartextLogin: true,
    ...options,
  });
  const listener = await openListener({
    name: 'pop3',
    address: '127.0.0.1',
    port: 0,
    tls: options.tls ?? 'starttls',
    tlsContexts: await TlsContexts.open([exampleCertificate]),
    protocol,
    limits: { connectionsMax: 100, connectionsPerAddressMax: 100 },
    clock,
    log: silentLog,
  });
  const server: Pop3Server = {
    port: listener.port,
    directory,
    hosts,
    alice,
    wrap: (port) => port,
    close: (limitMs) => listener.close(limitMs),
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      await hosts.close();
      await directory[Symbol.asyncDispose]();
    },
  };
  return server;
}

let operations = 0;

/** Puts messages (latin1 text) into alice's INBOX. */
export async function deliver(server: Pop3Server, ...messages: string[]): Promise<void> {
  const port = await server.hosts.open(server.alice.id);
  const prepared = messages.map((text) =>
    prepareMessage(Buffer.from(text, 'latin1'), { clock: systemClock }),
  );
  await port.append({
    operation: `deliver-${++operations}` as OperationId,
    target: { role: 'inbox' },
    messages: (await Promise.all(prepared)).map((one) => ({
      prepared: one,
      flags: [],
      internalDate: undefined,
    })),
  });
}

/** A POP3 client that reads like a transcript: `ask` gives the status line, `askLines` what follows it, unstuffed. */
export class Pop3Client {
  readonly raw: TestClient;

  constructor(raw: TestClient) {
    this.raw = raw;
  }

  /** Connected and greeted. */
  static async connect(server: Pop3Server): Promise<Pop3Client> {
    const client = new Pop3Client(await TestClient.connect(server.port));
    await client.raw.line();
    return client;
  }

  static async loggedIn(server: Pop3Server): Promise<Pop3Client> {
    const client = await Pop3Client.connect(server);
    await client.ask('USER alice@example.test');
    await client.ask(`PASS ${password}`);
    return client;
  }

  async ask(command: string): Promise<string | undefined> {
    this.raw.send(command);
    return this.raw.line();
  }

  async askLines(command: string): Promise<string[]> {
    const status = await this.ask(command);
    return status?.startsWith('+OK') === true ? this.lines() : [status ?? 'closed'];
  }

  async lines(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.raw.line();
      if (line === undefined || line === '.') return lines;
      lines.push(line.startsWith('.') ? line.slice(1) : line);
    }
  }

  [Symbol.dispose](): void {
    this.raw.destroy();
  }
}
