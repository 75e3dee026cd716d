// Runs one test script of imaptest's format against a server: brings the test mailbox to the state that the script begins with, then
// sends its commands and compares what comes. What differs is told with its line, and the run goes on where it can: a broken
// connection, an answer against the grammar or a variable without a value ends it. What was in the test mailboxes is lost.

import { ReplyPattern } from './reply-pattern.ts';
import { ScriptConnection, type ServerPlace } from './script-connection.ts';
import { type Difference, ScriptExchange } from './script-exchange.ts';
import type { ScriptMessages } from './script-messages.ts';
import { type Script, ScriptError, type ScriptStep, writtenText } from './script-parser.ts';
import { Variables } from './script-variables.ts';

export interface ScriptServer extends ServerPlace {
  /** As it logs in. */
  readonly user: string;
  readonly password: string;
}

export type ScriptOutcome =
  | { readonly kind: 'ok' }
  | { readonly kind: 'failed'; readonly differences: readonly Difference[] }
  /** Capabilities that the server does not have. */
  | { readonly kind: 'skipped'; readonly missing: readonly string[] };

/** As imaptest calls it. Mailboxes whose names begin with it are the scripts' too. */
const testMailbox = 'imaptest';

export async function runScript(
  script: Script,
  messages: ScriptMessages,
  server: ScriptServer,
): Promise<ScriptOutcome> {
  using run = new ScriptRun(script, messages, server);
  const missing = await run.prepare();
  if (missing.length > 0) return { kind: 'skipped', missing };
  const differences = await run.steps();
  return differences.length === 0 ? { kind: 'ok' } : { kind: 'failed', differences };
}

class ScriptRun implements Disposable {
  readonly #script: Script;
  readonly #messages: ScriptMessages;
  readonly #server: ScriptServer;
  readonly #connections: ScriptConnection[] = [];
  readonly #variables: Variables;

  constructor(script: Script, messages: ScriptMessages, server: ScriptServer) {
    this.#script = script;
    this.#messages = messages;
    this.#server = server;
    const [username, domain = ''] = server.user.split('@') as [string, string?];
    this.#variables = new Variables([
      ['user', server.user],
      ['username', username],
      ['domain', domain],
      ['password', server.password],
      ['mailbox', testMailbox],
      ['mailbox_url', testMailbox],
    ]);
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }

  /** Connections and mailbox as the script wants them; or the capabilities that are not there. */
  async prepare(): Promise<string[]> {
    const { connections, state } = this.#script;
    while (this.#connections.length < connections)
      this.#connections.push(await ScriptConnection.open(this.#server));
    if (state === 'nonauth') return this.#missing();
    const { user, password } = this.#server;
    for (const each of this.#connections) await each.run(`LOGIN ${quoted(user)} ${quoted(password)}`);
    const missing = await this.#missing();
    if (missing.length === 0) await this.#prepareMailbox(this.#connections[0]!);
    return missing;
  }

  async steps(): Promise<Difference[]> {
    const differences: Difference[] = [];
    for (const step of this.#script.steps) {
      try {
        differences.push(...(await this.#step(step)));
      } catch (error) {
        const { line, text } = step.commands[0]!;
        differences.push({ line, expected: writtenText(text), came: [(error as Error).message] });
        break;
      }
    }
    return differences;
  }

  async #missing(): Promise<string[]> {
    const offered = new Set<string>();
    for (const response of await this.#connections[0]!.run('CAPABILITY')) {
      if (response.type !== 'data' || response.values[0] !== 'CAPABILITY') continue;
      for (const value of response.values.slice(1)) offered.add(String(value).toUpperCase());
    }
    return this.#script.capabilities.filter((name) => !offered.has(name.toUpperCase()));
  }

  async #prepareMailbox(connection: ScriptConnection): Promise<void> {
    const { state } = this.#script;
    await deleteTestMailboxes(connection);
    if (state === 'auth') return;
    await connection.run(`CREATE ${testMailbox}`);
    if (state === 'created') return;
    const count = this.#script.messages ?? this.#messages.count;
    for (let number = 1; number <= count; number++) {
      const { content, internalDate = '' } = this.#messages.next();
      await connection.run(`APPEND ${testMailbox} ${internalDate}`.trimEnd(), content);
    }
    if (state === 'appended') return;
    for (const each of this.#connections) await each.run(`SELECT ${testMailbox}`);
  }

  async #step(step: ScriptStep): Promise<Difference[]> {
    const connection = this.#connections[step.connection - 1];
    if (connection === undefined)
      throw new ScriptError(step.commands[0]!.line, `there is no connection ${step.connection}`);
    const exchange = new ScriptExchange(connection, this.#variables, {
      patterns: step.expectations.map((expectation) => new ReplyPattern(expectation)),
      ignoresExtra: this.#script.ignoresExtraReplies,
    });
    for (const command of step.commands) await exchange.send(command, this.#messages);
    return exchange.finish();
  }
}

/** What an earlier script has left, the deepest first. */
async function deleteTestMailboxes(connection: ScriptConnection): Promise<void> {
  const namesOf = async (command: string): Promise<string[]> => {
    const responses = await connection.run(`${command} "" ${testMailbox}*`);
    const data = responses.flatMap((response) => (response.type === 'data' ? [response.values] : []));
    const listed = data.filter(([kind]) => kind === command);
    return listed
      .map(([, , , name]) => String(name))
      .sort()
      .reverse();
  };
  for (const name of await namesOf('LSUB')) await connection.run(`UNSUBSCRIBE ${quoted(name)}`);
  // Some servers list places that have no mailbox, and delete them or not: CREATE says when there is one in the way.
  for (const name of await namesOf('LIST'))
    await connection.run(`DELETE ${quoted(name)}`).catch(() => undefined);
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
