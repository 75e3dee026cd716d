// STORE and UID STORE (RFC 9051 6.4.6), with UNCHANGEDSINCE (RFC 7162 3.1.3), under a limit (RFC 9738). What the session changes is answered here
// and not told again by the view's updates.

import type { StoredFlags } from '../../../account/port.ts';
import type { ModSeq } from '../../../mail/ids.ts';
import type { StoreCommand } from '../../../wire/imap/message-command.ts';
import { modifiedCode, type ResponseCode } from '../../../wire/imap/response-code.ts';
import { tellFlagLines } from '../fetch/flag-lines.ts';
import { flagsResponses } from '../flag-text.ts';
import { highestOf, withLimit } from '../message-limit.ts';
import { resolveUids } from '../message-set.ts';
import { expungeIssued, no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';

const done = ok('Store completed');

export async function store(session: ImapSession, command: StoreCommand): Promise<Reply> {
  const view = viewOf(session);
  if (view.readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  if (command.unchangedSince !== undefined) session.enableCondstore();
  const named = resolveUids(view, command.set, command.uid);
  if (named.length === 0) return done;
  const uids = highestOf(session, named);
  const stored = await view.account.storeFlags({
    operation: session.operation(),
    mailboxId: view.mailboxId,
    uids,
    mode: command.mode,
    flags: command.flags,
    unchangedSince: command.unchangedSince as ModSeq | undefined,
  });
  const { messages } = stored;
  // With changes of others in between, .SILENT must not hide them (RFC 9051 6.4.6): what is answered then is told again.
  // With UNCHANGEDSINCE the client knows what it changed.
  const knowsAll = stored.modSeqBefore <= view.modSeq;
  if (knowsAll) view.knowsUpTo(stored.modSeqAfter);
  else if (!command.silent || command.unchangedSince !== undefined)
    view.answered(messages.uids, messages.modSeqs);
  await tellStored(session, command, stored);
  return withLimit(session, replyTo(session, command, stored), uids === named ? undefined : uids[0]!);
}

function replyTo(session: ImapSession, command: StoreCommand, stored: StoredFlags): Reply {
  if (stored.modified.length > 0)
    return ok('Conditional store failed', codeOfModified(session, command, stored));
  // RFC 9051 7.1 EXPUNGEISSUED; a UID command just passes over what is gone (6.4.9).
  return stored.missing.length > 0 && !command.uid ? expungeIssued : done;
}

function codeOfModified(session: ImapSession, command: StoreCommand, stored: StoredFlags): ResponseCode {
  const view = viewOf(session);
  const numbers = command.uid ? stored.modified : view.sequencesOf(stored.modified);
  return modifiedCode(numbers);
}

async function tellStored(session: ImapSession, command: StoreCommand, stored: StoredFlags): Promise<void> {
  const view = viewOf(session);
  if (view.learns(stored.keywords)) session.connection.write(flagsResponses(view));
  // .SILENT drops the flags; CONDSTORE clients still get the new mod-sequences (RFC 7162 3.1.3).
  if (command.silent && !session.condstore) return;
  const { messages } = stored;
  if (session.qresync)
    for (const modSeq of messages.modSeqs) session.toldModSeq = Math.max(session.toldModSeq, modSeq);
  await tellFlagLines(session, { columns: messages, keywords: view.keywords, hasFlags: !command.silent });
}
