// A small mail server around the SMTP speakers for transcript tests: a directory of a few people and accounts that keep
// what is appended. Failures are set per account.

import type { AccountPort, AccountPorts, Appended, AppendOptions } from '../../src/account/port.ts';
import { ByteBudget } from '../../src/base/byte-budget.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Directory, Resolution } from '../../src/directory/directory.ts';
import { type Address, canonicalAddress } from '../../src/mail/address.ts';
import type { AccountId, EmailId, MailboxId, ModSeq } from '../../src/mail/ids.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { type Listener, type ListenerOptions, openListener } from '../../src/speakers/kit/listener.ts';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import { createSmtpProtocol, type SmtpProtocolOptions } from '../../src/speakers/smtp/smtp-protocol.ts';
import { Intake } from '../../src/transport/intake.ts';
import { Routing } from '../../src/transport/routing.ts';
import { makeScramVerifier } from '../../src/wire/sasl/scram.ts';

export interface Delivered {
  readonly account: string;
  readonly mailbox: string;
  readonly text: string;
}

const password = 'secret';

/** alice, bob and carol at example.test; team@ is alice and bob; away@ leads outside; loop@ goes round. */
class TestDirectory implements Directory {
  readonly domain = 'example.test';

  async resolve({ localPart, domain }: Address): Promise<Resolution> {
    if (domain !== this.domain) return { outcome: 'foreign' };
    const [user = '', detail] = localPart.toLowerCase().split('+');
    const people: Record<string, string[]> = { team: ['alice', 'bob'], postmaster: ['alice'] };
    if (user === 'disabled') return { outcome: 'disabled' };
    if (user === 'loop') return { outcome: 'aliasLoop' };
    if (user === 'away')
      return { outcome: 'deliver', targets: [{ type: 'outside', address: 'x@elsewhere.test' }] };
    const names = people[user] ?? (['alice', 'bob', 'carol', 'grün'].includes(user) ? [user] : []);
    if (names.length === 0) return { outcome: 'unknownUser' };
    const targets = names.map((name) => {
      return { type: 'account', accountId: name as AccountId, address: `${name}@${domain}`, detail } as const;
    });
    return { outcome: 'deliver', targets };
  }

  async ownsAddress(accountId: AccountId, address: Address): Promise<boolean> {
    return canonicalAddress(address) === `${accountId}@${this.domain}`;
  }

  async verifyPassword(credentials: { user: string; password: string }) {
    if (credentials.user === 'throttled') throw new MailError('limitReached', 'too many failures');
    const known = credentials.user === `alice@${this.domain}` && credentials.password === password;
    if (!known) throw new MailError('authenticationFailed', 'no');
    return this.#principal();
  }

  async scramVerifier() {
    return await makeScramVerifier(password, Buffer.from('0123456789abcdef'), 4096);
  }

  async finishScram(outcome: { verified: boolean }) {
    if (!outcome.verified) throw new MailError('authenticationFailed', 'no');
    return this.#principal();
  }

  #principal() {
    const accountId = 'alice' as AccountId;
    return { accountId, address: `alice@${this.domain}`, administrator: false, appPasswordId: undefined };
  }

  async account() {
    return undefined;
  }
  async accountByAddress() {
    return undefined;
  }
}

/** Accounts that keep what is appended; only what delivery calls is there. */
export class TestAccounts implements AccountPorts {
  readonly delivered: Delivered[] = [];
  /** Thrown by the next appends to the account, first in first out. */
  readonly failures = new Map<string, Error[]>();
  /** Awaited by every append: commit takes as long as a test wants. */
  gate: Promise<void> | undefined;

  async open(accountId: AccountId): Promise<AccountPort> {
    const append = async ({ target, messages }: AppendOptions): Promise<Appended> => {
      await this.gate;
      const failure = this.failures.get(accountId)?.shift();
      if (failure !== undefined) throw failure;
      const named = 'name' in target ? target.name : 'INBOX';
      const mailbox = named === 'Known' ? named : 'INBOX';
      for (const { prepared } of messages) {
        this.delivered.push({
          account: accountId,
          mailbox,
          text: Buffer.from(prepared.bytes).toString('latin1'),
        });
      }
      return {
        mailboxId: 1 as MailboxId,
        uidValidity: 1,
        uids: new Uint32Array([1]),
        emailIds: new Float64Array([1 as EmailId]),
        modSeq: 1 as ModSeq,
      };
    };
    return { accountId, append } as unknown as AccountPort;
  }
}

export interface SmtpServer extends AsyncDisposable {
  readonly listener: Listener;
  readonly accounts: TestAccounts;
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
  const random = seededRandom(1);
  const hostname = 'mail.example.test';
  const accounts = new TestAccounts();
  const directory = new TestDirectory();
  const budget = new ByteBudget(options.budgetBytes ?? 256 * 1024 * 1024, clock);
  const protocol = createSmtpProtocol({
    profile,
    hostname,
    directory,
    routing: new Routing(directory, directory.domain),
    intake: new Intake({ accounts, hostname, clock, random }),
    budget,
    startTls: true,
    allowCleartextAuth: false,
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
    listener,
    accounts,
    budget,
    connect: () => TestClient.connect(listener.port),
    [Symbol.asyncDispose]: () => listener.close(0),
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
