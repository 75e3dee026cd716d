// The SMTP speakers over the harness: real directory, real account hosts. Between them stands a gate that can make the
// appends of an account fail or wait, and notes what was stored by reading it back.

import type { AccountPort, AccountPorts, Appended, AppendOptions } from '../../src/account/port.ts';
import { ByteBudget } from '../../src/base/byte-budget.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { AccountId, Uid } from '../../src/mail/ids.ts';
import { type Listener, type ListenerOptions, openListener } from '../../src/speakers/kit/listener.ts';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import { createSmtpProtocol, type SmtpProtocolOptions } from '../../src/speakers/smtp/smtp-protocol.ts';
import { Intake } from '../../src/transport/intake.ts';
import { Routing } from '../../src/transport/routing.ts';
import { type Harness, openHarness } from './harness.ts';

export interface Delivered {
  readonly account: string;
  readonly mailbox: string;
  readonly text: string;
}

/** The harness's accounts, with failures on demand. */
export class GatedAccounts implements AccountPorts {
  readonly delivered: Delivered[] = [];
  /** Thrown by the next appends to the account of this name, first in first out. */
  readonly failures = new Map<string, Error[]>();
  /** Awaited by every append: a commit takes as long as a test wants. */
  gate: Promise<void> | undefined;
  readonly #harness: Harness;

  constructor(harness: Harness) {
    this.#harness = harness;
  }

  async open(accountId: AccountId): Promise<AccountPort> {
    const port = await this.#harness.accounts.open(accountId);
    const account = await this.#harness.directory.account(accountId);
    const name = account!.address.split('@')[0]!;
    const append = async (options: AppendOptions): Promise<Appended> => {
      await this.gate;
      const failure = this.failures.get(name)?.shift();
      if (failure !== undefined) throw failure;
      const appended = await port.append(options);
      await this.#note(name, port, appended);
      return appended;
    };
    const listMailboxes = () => port.listMailboxes();
    return { accountId, append, listMailboxes } as unknown as AccountPort;
  }

  async #note(account: string, port: AccountPort, { mailboxId, uids }: Appended): Promise<void> {
    const mailbox = (await port.findMailbox({ id: mailboxId }))!.name;
    const length = Number.MAX_SAFE_INTEGER;
    for (const uid of uids) {
      const pieces: Uint8Array[] = [];
      for (let offset = 0; ; ) {
        const bytes = await port.readRange(mailboxId, uid as Uid, {
          offset,
          length: Math.min(length, 1024 * 1024),
        });
        if (bytes === undefined || bytes.length === 0) break;
        pieces.push(bytes);
        offset += bytes.length;
      }
      this.delivered.push({ account, mailbox, text: Buffer.concat(pieces).toString('latin1') });
    }
  }
}

/**
 * alice, bob and carol (who has a mailbox Known) at example.test; team is alice and bob; away leads outside; loop goes
 * round; dave is disabled.
 */
async function populate(harness: Harness): Promise<void> {
  const { directory } = harness;
  await harness.addAccount('carol');
  // Who gets mail for a bare <postmaster>.
  await harness.addAccount('root', { administrator: true });
  const carol = await harness.account('carol');
  await carol.createMailbox({ operation: 'populate' as never, name: 'Known' });
  const dave = await harness.addAccount('dave');
  await directory.setAccount(dave, { enabled: false });
  const aliases: [string, string[]][] = [
    ['team', ['alice@example.test', 'bob@example.test']],
    ['postmaster', ['alice@example.test']],
    ['away', ['someone@elsewhere.test']],
    ['loop', ['pool@example.test']],
    ['pool', ['loop@example.test']],
  ];
  for (const [name, targets] of aliases)
    await directory.addAlias({ address: `${name}@example.test`, targets });
}

export interface SmtpServer extends AsyncDisposable {
  readonly harness: Harness;
  readonly listener: Listener;
  readonly accounts: GatedAccounts;
  readonly budget: ByteBudget;
  connect(): Promise<TestClient>;
}

export interface SmtpServerOptions {
  readonly protocol?: Partial<SmtpProtocolOptions>;
  readonly listener?: Partial<ListenerOptions>;
  readonly budgetBytes?: number;
}

export async function openSmtpServer(
  profile: SmtpProtocolOptions['profile'],
  options: SmtpServerOptions = {},
): Promise<SmtpServer> {
  const clock = systemClock;
  const random = systemRandom;
  const hostname = 'mail.example.test';
  const harness = await openHarness();
  await populate(harness);
  const { directory } = harness;
  const accounts = new GatedAccounts(harness);
  const budget = new ByteBudget(options.budgetBytes ?? 256 * 1024 * 1024, clock);
  const protocol = createSmtpProtocol({
    profile,
    hostname,
    directory,
    accounts: harness.accounts,
    routing: new Routing(directory),
    intake: new Intake({ accounts, hostname, clock, random }),
    budget,
    startTls: true,
    allowCleartextAuth: false,
    checksAuthor: true,
    clock,
    random,
    ...options.protocol,
  });
  const listener = await openListener({
    name: profile,
    address: '127.0.0.1',
    port: 0,
    tls: 'starttls',
    tlsContexts: await TlsContexts.open([exampleCertificate]),
    protocol,
    limits: { connectionsMax: 100, connectionsPerAddressMax: 100 },
    clock,
    log: silentLog,
    ...options.listener,
  });
  return {
    harness,
    listener,
    accounts,
    budget,
    connect: () => TestClient.connect(listener.port),
    async [Symbol.asyncDispose]() {
      await listener.close(0);
      await harness[Symbol.asyncDispose]();
    },
  };
}

/** A client that said hello already. */
export async function greeted(server: SmtpServer, hello = 'EHLO client.test'): Promise<TestClient> {
  const client = await server.connect();
  await client.reply();
  client.send(hello);
  await client.reply();
  return client;
}

/** Sends lines and gives the code of each reply: "250 2.1.0". */
export async function codes(client: TestClient, ...lines: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const line of lines) {
    client.send(line);
    found.push(codeOf(await client.reply()));
  }
  return found;
}

export function codeOf(reply: readonly string[]): string {
  const last = reply.at(-1) ?? 'closed';
  return /^\d{3} \d\.\d+\.\d+/.exec(last)?.[0] ?? last.slice(0, 3);
}
