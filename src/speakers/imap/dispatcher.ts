// Runs one command: checks the state, calls the handler, tells what changed, writes the tagged answer, counts and
// logs. Invariant: exactly one tagged answer a command. Refusals and faults become NO by mail-error-responses.ts;
// a closed connection and bugs pass through and end the session.

import { Fault } from '../../base/fault.ts';
import type { Command, CommandName } from '../../wire/imap/command.ts';
import { formatStatusResponse, numberCode } from '../../wire/imap/response-code.ts';
import { type CommandEntry, commandTable } from './command-table.ts';
import { errorResponse } from './mail-error-responses.ts';
import { tellNotifications } from './notify/tell-notifications.ts';
import { withProgress } from './progress.ts';
import { bad, type Reply, uidRequired } from './reply.ts';
import { type ImapSession, viewOf } from './session.ts';
import { hasUpdates, tellUpdates } from './updates.ts';

export async function dispatch(session: ImapSession, command: Command): Promise<Reply> {
  const entry = commandTable[command.name] as CommandEntry<CommandName>;
  const { clock, slicer, observeCommand } = session.environment;
  const startedMs = clock.monotonic();
  const settledBefore = session.view?.settledModSeq ?? 0;
  let reply: Reply;
  try {
    if (!entry.states.includes(session.state)) reply = bad(wrongState(session, command.name));
    else if (session.uidOnly && usesNumbers(command)) reply = uidRequired;
    else if (entry.showsProgress !== true) {
      const handled = entry.handler(session, command as never);
      reply = handled instanceof Promise ? await handled : handled;
    } else reply = await withProgress(session, command.tag, () => entry.handler(session, command as never));
  } catch (error) {
    reply = failure(session, command.name, error);
  }
  const mayExpunge = mayTellExpunge(session, entry, command);
  if (session.state === 'selected' && entry.updates !== 'none') {
    // Told of a change whose event has not come yet: what happened before it must be told too.
    if (session.toldModSeq > viewOf(session).modSeq) session.stale = true;
    if (entry.polls === true || hasUpdates(session, mayExpunge)) {
      await tellQuietly(session, () => tellUpdates(session, mayExpunge, entry.tellsExpunge));
    }
    if (session.qresync && session.state === 'selected') reply = withModSeq(session, reply, settledBefore);
  }
  if (session.notifications?.pending === true) await tellQuietly(session, () => tellNotifications(session));
  session.toldModSeq = 0;
  session.connection.write(formatStatusResponse(command.tag, reply.status, reply.text, reply.code));
  const tookMs = clock.monotonic() - startedMs;
  observeCommand(command.name, reply.status, tookMs);
  slicer.took(tookMs);
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

/**
 * RFC 7162 3.2, section 6: at the end of a command the client takes the highest mod-sequence it saw for what it is
 * synchronised to, unless it is told a HIGHESTMODSEQ. Where expunges are delayed that must be a lower one.
 */
function withModSeq(session: ImapSession, reply: Reply, settledBefore: number): Reply {
  const { settledModSeq } = viewOf(session);
  const code = numberCode('HIGHESTMODSEQ', settledModSeq);
  if (session.toldModSeq > settledModSeq) {
    session.connection.write(formatStatusResponse('*', 'OK', 'Synchronised up to here', code));
  }
  if (reply.status !== 'OK') return reply;
  if (reply.code?.startsWith('HIGHESTMODSEQ ')) {
    return Number(reply.code.slice('HIGHESTMODSEQ '.length)) > settledModSeq ? { ...reply, code } : reply;
  }
  return reply.code === undefined && settledModSeq > settledBefore ? { ...reply, code } : reply;
}

/** The command is done whether or not its updates can be told: they are owed to the next one. */
async function tellQuietly(session: ImapSession, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'updates could not be told');
  }
}

function mayTellExpunge(session: ImapSession, entry: CommandEntry<CommandName>, command: Command): boolean {
  if (entry.updates === 'all' || (entry.updates === 'expungeIfUid' && isUid(command))) return true;
  // RFC 5465 5.3: a client that asked for SELECTED does not use message numbers.
  return entry.updates !== 'none' && session.notifications?.selected?.delayed === false;
}

/** The form of a command that names messages by their numbers. */
function usesNumbers(command: Command): boolean {
  return 'uid' in command && !command.uid && command.name !== 'EXPUNGE';
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
