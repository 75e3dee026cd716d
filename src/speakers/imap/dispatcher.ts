// Runs one command: checks the state, calls the handler, tells what changed, writes the tagged answer, counts and
// logs. Invariant: exactly one tagged answer a command. Refusals and faults become NO by mail-error-responses.ts;
// a closed connection and bugs pass through and end the session.

import { Fault } from '../../base/fault.ts';
import type { Command, CommandName } from '../../wire/imap/command.ts';
import { formatStatusResponse } from '../../wire/imap/response-code.ts';
import { type CommandEntry, commandTable } from './command-table.ts';
import { errorResponse } from './mail-error-responses.ts';
import { bad, type Reply } from './reply.ts';
import type { ImapSession } from './session.ts';
import { hasUpdates, tellUpdates } from './updates.ts';

export async function dispatch(session: ImapSession, command: Command): Promise<Reply> {
  const entry = commandTable[command.name] as CommandEntry<CommandName>;
  const { clock, observeCommand } = session.environment;
  const startedMs = clock.monotonic();
  let reply: Reply;
  try {
    reply = entry.states.includes(session.state)
      ? await entry.handler(session, command as never)
      : bad(wrongState(session, command.name));
  } catch (error) {
    reply = failure(session, command.name, error);
  }
  const mayExpunge = entry.updates === 'all' || (entry.updates === 'expungeIfUid' && isUid(command));
  if (session.state === 'selected' && entry.updates !== 'none') {
    if (entry.polls === true || hasUpdates(session, mayExpunge)) await tellQuietly(session, mayExpunge);
  }
  session.connection.write(formatStatusResponse(command.tag, reply.status, reply.text, reply.code));
  observeCommand(command.name, reply.status, clock.monotonic() - startedMs);
  if (reply.afterwards !== undefined) await reply.afterwards();
  return reply;
}

/** The answer to what a handler threw; throws on what ends the session. */
function failure(session: ImapSession, name: CommandName, error: unknown): Reply {
  const response = errorResponse(error);
  if (response === undefined) throw error;
  if (error instanceof Fault) session.connection.log.error({ err: error, command: name }, 'command failed');
  return response;
}

/** The command is done whether or not its updates can be told: they are owed to the next one. */
async function tellQuietly(session: ImapSession, mayExpunge: boolean): Promise<void> {
  try {
    await tellUpdates(session, mayExpunge);
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'updates could not be told');
  }
}

function isUid(command: Command): boolean {
  return 'uid' in command && command.uid;
}

function wrongState(session: ImapSession, name: CommandName): string {
  if (session.state === 'notAuthenticated') return `${name} needs a login first`;
  return session.state === 'authenticated' && commandTable[name].states.includes('selected')
    ? `${name} needs a selected mailbox`
    : `${name} is not possible after login`;
}
