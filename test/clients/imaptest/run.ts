// `node test/clients/imaptest/run.ts FOLDER [SCRIPT…]`: runs the scripts of a folder, as src/tests of a checkout of dovecot/imaptest,
// against a server and prints a line for each, with what differed. Without --host it starts a server of its own, and without names it
// runs everything that is no .mbox file. Exit code 1 when a script failed.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { readOptions, wholeNumber } from '../../../scripts/read-options.ts';
import { DovecotProcess, dovecotPassword, dovecotUser } from '../../dovecot-process.ts';
import { addressOf, passwordOf, ServerProcess } from '../../server-process.ts';
import { ScriptMessages } from './script-messages.ts';
import { parseScript } from './script-parser.ts';
import { runScript, type ScriptOutcome, type ScriptServer } from './script-runner.ts';

interface RunOptions {
  readonly host?: string;
  readonly port: number;
  readonly tls?: true;
  readonly user: string;
  readonly password: string;
  readonly dovecot?: true;
}

/** Of what came instead, in the output. */
const cameLinesMax = 12;
const cameBytesMax = 300;

const program = new Command('imaptest/run.ts')
  .description('Runs scripts of imaptest. Everything in the mailboxes imaptest* of the user is deleted.')
  .argument('<folder>', 'where the scripts are')
  .argument('[scripts...]', 'names of scripts; all when there is none')
  .option('--host <name>', 'a server that runs; without it one is started')
  .option('--port <number>', 'its port', wholeNumber(1), 143)
  .option('--tls', 'the port speaks TLS from the beginning; the certificate is not checked')
  .option('--user <name>', 'who logs in', '')
  .option('--password <text>', 'with what', '')
  .option('--dovecot', "starts Debian's Dovecot instead of Rookery");

interface StartedServer extends AsyncDisposable {
  readonly server: ScriptServer;
}

async function openServer(options: RunOptions): Promise<StartedServer> {
  const { host, port, tls = false, user, password } = options;
  if (host !== undefined)
    return { server: { host, port, tls, user, password }, [Symbol.asyncDispose]: async () => {} };
  const loopback = { host: '127.0.0.1' };
  if (options.dovecot) {
    const dovecot = await DovecotProcess.start({
      mailLocation: 'sdbox:%h/mail',
      settings: () => 'mail_max_userip_connections = 1000\n',
    });
    const server = {
      ...loopback,
      port: dovecot.port,
      tls: false,
      user: dovecotUser,
      password: dovecotPassword,
    };
    return { server, [Symbol.asyncDispose]: () => dovecot[Symbol.asyncDispose]() };
  }
  const alice = 'alice';
  const rookery = await ServerProcess.start({ accounts: [alice] });
  const server = {
    ...loopback,
    port: rookery.ports.imaps,
    tls: true,
    user: addressOf(alice),
    password: passwordOf(alice),
  };
  return { server, [Symbol.asyncDispose]: () => rookery[Symbol.asyncDispose]() };
}

/** One by one, because they share their mailboxes. */
async function runAll(folder: string, names: readonly string[], server: ScriptServer): Promise<number> {
  const counts = { ok: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    const outcome = await runFile(folder, name, server).catch(
      (error: Error): ScriptOutcome => ({
        kind: 'failed',
        differences: [{ line: 0, expected: 'a script that can be run', came: [error.message] }],
      }),
    );
    counts[outcome.kind]++;
    console.log(told(name, outcome));
  }
  console.log(`${counts.ok} ok, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed;
}

async function runFile(folder: string, name: string, server: ScriptServer): Promise<ScriptOutcome> {
  const script = parseScript(await readFile(join(folder, name), 'latin1'), process.env);
  const mbox = await readFile(join(folder, `${name}.mbox`), 'latin1').catch(() =>
    readFile(join(folder, 'default.mbox'), 'latin1'),
  );
  return runScript(script, new ScriptMessages(mbox), server);
}

function told(name: string, outcome: ScriptOutcome): string {
  switch (outcome.kind) {
    case 'ok':
      return `ok       ${name}`;
    case 'skipped':
      return `skipped  ${name}: the server has no ${outcome.missing.join(', ')}`;
    case 'failed': {
      const lines = outcome.differences.flatMap(({ line, expected, came }) => [
        `         ${name}:${line}: ${JSON.stringify(expected)}, came:`,
        ...(came.length === 0 ? ['           nothing'] : []),
        ...came
          .slice(-cameLinesMax)
          .map((text) => `           ${JSON.stringify(text.slice(0, cameBytesMax))}`),
      ]);
      return [`failed   ${name}`, ...lines].join('\n');
    }
  }
}

const options = readOptions<RunOptions>(program);
const [folder, ...chosen] = program.args as [string, ...string[]];
const files = (await readdir(folder)).filter(
  (name) => !name.endsWith('.mbox') && !name.startsWith('Makefile'),
);
await using started = await openServer(options);
const failed = await runAll(folder, chosen.length > 0 ? chosen : files.sort(), started.server);
process.exitCode = failed === 0 ? 0 : 1;
