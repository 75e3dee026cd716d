// rookery index status|rebuild [ACCOUNT]: accounts' full-text indexes. The server builds them in the background, on whichever
// node hosts the account; what is here begins it, one account after another, and tells how far it is.
// An account that has no host for the moment (it is handed over, its node died) is asked again. Ctrl-C ends the telling: the
// server goes on with the account that was begun, and no other is.

import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import { CommandFailure, exitCodes, TemporaryFailure } from '../exit-codes.ts';
import { type CommandContext, withContext } from '../program-context.ts';
import { openProgress } from '../progress.ts';
import { accountPath } from './account.ts';

interface IndexBody {
  readonly messages: number;
  readonly indexed: number;
  readonly waiting: number;
  readonly building: boolean;
  readonly segments: number;
  readonly bytes: number;
  readonly version: number;
}

interface Chosen {
  readonly domain?: string;
  readonly all?: boolean;
}

const columns = ['account', 'messages', 'indexed', 'waiting', 'building', 'segments', 'bytes', 'version'];
/** Most accounts are small: none of many waits longer than it takes. Each time twice as long, up to the second of these. */
const pollMsMin = 50;
const pollMsMax = 1_000;
/** A hand-over takes seconds, a node's death some more: whoever has no host for so long will not have one soon. */
const patienceMs = 120_000;
/** The background goes at a hundredth of its pace while the server is busy; an index that stands still for so long is stuck. */
const stalledMs = 30 * 60_000;
/** More have one cause, which is to be mended first. */
const failuresMax = 20;

export function addSearchIndexCommands(program: Command): void {
  const index = program.command('index').description("accounts' full-text indexes");
  index
    .command('status [account]')
    .description('tell how much is indexed: of one account, or of all')
    .option('--domain <domain>', 'of the accounts in this domain')
    .action(
      withContext(async (context, account: string | undefined, options: Chosen) => {
        if (account !== undefined && options.domain !== undefined) throw chooseOne('an account, or --domain');
        const { client, output } = context;
        const ask = (name: string) => patiently(() => client.call<IndexBody>({ path: indexPath(name) }));
        if (account !== undefined) return output.record({ account, ...(await ask(account)) });
        const rows: Record<string, unknown>[] = [];
        for (const name of await addresses(context, options)) {
          const body = await unlessRemoved(ask(name));
          if (body !== undefined) rows.push({ account: name, ...body });
        }
        output.table(rows, columns);
      }),
    );
  index
    .command('rebuild [account]')
    .description('throw the index of an account away and build it again in the background; searches go on')
    .option('--domain <domain>', 'of all accounts in this domain, one after another')
    .option('--all', 'of all accounts, one after another')
    .addHelpText(
      'after',
      '\nCtrl-C ends the waiting: the server goes on with the account that was begun, and begins no other.' +
        '\nFewer than 128 messages wait until more come: they are searched by reading them.',
    )
    .action(
      withContext(async (context, account: string | undefined, options: Chosen) => {
        const ways = [account, options.domain, options.all].filter((way) => way !== undefined);
        if (ways.length !== 1) throw chooseOne('an account, --domain DOMAIN or --all');
        using interruption = new Interruption();
        if (account === undefined) await rebuildSeveral(context, options, interruption);
        else await rebuildOne(context, account, interruption);
      }),
    );
}

const indexPath = (account: string): string => `${accountPath(account)}/search-index`;

function chooseOne(what: string): CommandFailure {
  return new CommandFailure(`say which, one way: ${what}`, exitCodes.usage);
}

/** Of a domain, or all. */
function addresses({ client }: CommandContext, { domain }: Chosen): Promise<string[]> {
  return Array.fromAsync(
    client.items<{ address: string }>('/api/accounts', { domain }),
    ({ address }) => address,
  );
}

async function rebuildOne(context: CommandContext, account: string, stop: Interruption): Promise<void> {
  const { output } = context;
  const progress = openProgress('messages', output.interactive && !output.json);
  try {
    const seen = ({ indexed, messages }: IndexBody): void => progress.update(indexed, messages);
    const built = await rebuilt(context, account, { stop, seen });
    progress.stop();
    output.record({ account, ...built });
  } finally {
    progress.stop();
  }
}

async function rebuildSeveral(context: CommandContext, options: Chosen, stop: Interruption): Promise<void> {
  const { output } = context;
  const names = await addresses(context, options);
  const progress = openProgress('accounts', output.interactive && !output.json);
  const rows: Record<string, unknown>[] = [];
  const failures: string[] = [];
  let done = 0;
  try {
    for (const name of names) {
      const seen = ({ indexed, messages }: IndexBody): void =>
        progress.update(done, names.length, `${name}: ${indexed} of ${messages}`);
      try {
        const body = await unlessRemoved(rebuilt(context, name, { stop, seen }));
        if (body !== undefined) rows.push({ account: name, ...body });
      } catch (error) {
        if (!isOfOne(error))
          throw toldWith(error, [`${done} of ${names.length} accounts came before`, ...failures]);
        failures.push(`${name}: ${error.message}`);
        if (failures.length === failuresMax) break;
      }
      progress.update(++done, names.length);
    }
  } finally {
    progress.stop();
  }
  output.table(rows, columns);
  if (failures.length === 0) return;
  const ended = failures.length === failuresMax ? ', those behind the last of them were not tried' : '';
  const told = `${failures.length} of ${names.length} accounts could not be done${ended}:`;
  throw new CommandFailure([told, ...failures].join('\n'));
}

/** Begins it and waits until nothing is left to do. */
async function rebuilt(
  { client }: CommandContext,
  account: string,
  { stop, seen }: { readonly stop: Interruption; readonly seen: (body: IndexBody) => void },
): Promise<IndexBody> {
  stop.account = account;
  const path = indexPath(account);
  const begin = () => client.call<IndexBody>({ method: 'POST', path: `${path}/rebuild` });
  let body = await stop.orEnd(patiently(begin, stop));
  let changedAt = systemClock.monotonic();
  for (let waitMs = pollMsMin; ; waitMs = Math.min(waitMs * 2, pollMsMax)) {
    seen(body);
    if (!body.building) return body;
    if (systemClock.monotonic() - changedAt > stalledMs)
      throw new CommandFailure(
        `nothing was indexed for ${stalledMs / 60_000} minutes: see the server log; the server goes on when it can`,
      );
    await stop.orEnd(systemClock.sleep(waitMs));
    const next = await stop.orEnd(patiently(() => client.call<IndexBody>({ path }), stop));
    if (next.waiting !== body.waiting) changedAt = systemClock.monotonic();
    body = next;
  }
}

/** Asks again while the account has no host. */
async function patiently<T>(call: () => Promise<T>, stop?: Interruption): Promise<T> {
  const deadline = systemClock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isOver = stop?.hasCome === true || systemClock.monotonic() > deadline;
      if (isOver || !(error instanceof TemporaryFailure)) throw error;
    }
    await systemClock.sleep(pollMsMax);
  }
}

/** Undefined: the account, one of a list, went meanwhile. */
async function unlessRemoved(asked: Promise<IndexBody>): Promise<IndexBody | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notFound) return undefined;
    throw error;
  }
}

/** The next account may fare better. */
function isOfOne(error: unknown): error is CommandFailure {
  return (
    error instanceof CommandFailure && !(error instanceof Interrupted) && error.exitCode === exitCodes.failure
  );
}

function toldWith(error: unknown, told: readonly string[]): unknown {
  if (!(error instanceof CommandFailure)) return error;
  return new CommandFailure([error.message, ...told].join('\n'), error.exitCode);
}

class Interrupted extends CommandFailure {}

/** Ctrl-C, from its making until it is disposed of. */
class Interruption implements Disposable {
  hasCome = false;
  /** The one that is being rebuilt. */
  account = '';
  readonly #come = Promise.withResolvers<never>();
  readonly #end = (): void => {
    this.hasCome = true;
    const told = `\`rookery index status ${this.account}\` tells how far it is`;
    this.#come.reject(
      new Interrupted(`interrupted: the server goes on with the index of ${this.account}; ${told}`),
    );
  };

  constructor() {
    // It may come before anybody waits for it.
    this.#come.promise.catch(() => {});
    process.once('SIGINT', this.#end).once('SIGTERM', this.#end);
  }

  /** Throws Interrupted instead of the result once it has come. */
  orEnd<T>(work: Promise<T>): Promise<T> {
    return Promise.race([this.#come.promise, work]);
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#end).off('SIGTERM', this.#end);
  }
}
