// What every command is given: the way to the server and the way to the reader.

import type { Command } from 'commander';
import { AdminClient } from './admin-client.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { type Output, openOutput } from './output.ts';

export interface CommandContext {
  readonly client: AdminClient;
  readonly output: Output;
}

interface GlobalOptions {
  readonly data: string;
  readonly server?: string;
  readonly token?: string;
  readonly on?: string;
  readonly json?: boolean;
}

/** What is left of a change once options that were not given are taken out. Refuses one without any. */
export function changeOf(body: Record<string, unknown>): Record<string, unknown> {
  const given = Object.entries(body).filter(([, value]) => value !== undefined);
  if (given.length === 0)
    throw new CommandFailure('nothing to change: say what, with an option (see --help)', exitCodes.usage);
  return Object.fromEntries(given);
}

/** Runs a command's body with a client that is closed afterwards, whatever happens. */
export function withContext<Arguments extends unknown[]>(
  body: (context: CommandContext, ...rest: Arguments) => Promise<void>,
): (...rest: [...Arguments, Command]) => Promise<void> {
  return async (...rest) => {
    const command = rest.at(-1) as Command;
    const options = command.optsWithGlobals<GlobalOptions>();
    const { data, server, token, on } = options;
    const client = new AdminClient({
      data,
      ...(server === undefined ? {} : { server }),
      ...(token === undefined ? {} : { token }),
      ...(on === undefined ? {} : { node: on }),
    });
    const output = openOutput({
      json: options.json === true,
      write: (text) => process.stdout.write(text),
      interactive: process.stderr.isTTY === true,
    });
    try {
      await body({ client, output }, ...(rest.slice(0, -1) as Arguments));
    } finally {
      client.close();
    }
  };
}
