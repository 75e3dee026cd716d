// APPEND (RFC 9051 6.3.12), several messages in one (RFC 3502), put together from others (RFC 4469), APPENDUID (RFC
// 4315). The bytes came under the shared budget (command-loop.ts), which is given back when this is done.

import type { AccountPort, Appended, AppendOptions, ReplaceOptions } from '../../../account/port.ts';
import type { AppendCommand, ReplaceCommand } from '../../../wire/imap/message-command.ts';
import { appendUidCode, type ResponseCode } from '../../../wire/imap/response-code.ts';
import { isSelected, locate, noSuchTarget, tellsUids } from '../mailbox-location.ts';
import { newMessages } from '../new-messages.ts';
import { replaceBetweenAccounts } from '../replace-between-accounts.ts';
import { ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { tellNameOf } from '../told-names.ts';

export async function append(session: ImapSession, command: AppendCommand): Promise<Reply> {
  const appended = await appendMessages(session, command);
  if ('status' in appended) return appended;
  return ok('Append completed', appended.code);
}

/** What was stored, with APPENDUID where the session may know; or the answer that says why nothing was. */
export async function appendMessages(
  session: ImapSession,
  command: AppendCommand | ReplaceCommand,
  replaces?: ReplaceOptions['replaces'],
): Promise<{ readonly code: ResponseCode | undefined } | Reply> {
  const borrowed = { bytes: 0 };
  try {
    const messages = await newMessages(session, command.messages, borrowed);
    if ('status' in messages) return messages;
    const location = await locate(session, command.mailbox);
    const { account, name } = location;
    const tells = await tellsUids(location);
    const options = { operation: session.operation(), target: { name }, messages };
    const appended =
      replaces === undefined
        ? await account.append(options)
        : await replaceIn(session, account, { append: options, replaces });
    if (isSelected(session, account, appended.mailboxId)) session.stale = true;
    await tellNameOf(session, location, command.mailbox);
    return { code: tells ? appendUidCode(appended.uidValidity, appended.uids) : undefined };
  } catch (error) {
    return noSuchTarget(error, command.mailbox);
  } finally {
    session.environment.messageBytes.release(borrowed.bytes);
  }
}

function replaceIn(
  session: ImapSession,
  account: AccountPort,
  replacing: { readonly append: AppendOptions; readonly replaces: ReplaceOptions['replaces'] },
): Promise<Appended> {
  if (account.accountId !== viewOf(session).account.accountId)
    return replaceBetweenAccounts(session, account, replacing);
  return account.replace({ ...replacing.append, replaces: replacing.replaces });
}
