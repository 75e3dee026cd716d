// APPEND (RFC 9051 6.3.12), several messages in one (RFC 3502), APPENDUID (RFC 4315). The bytes came under the shared
// budget (command-loop.ts), which is given back when this is done.

import type { NewMessage } from '../../../account/port.ts';
import { prepareMessage } from '../../../account/prepare.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import type { AppendCommand, AppendMessage } from '../../../wire/imap/command.ts';
import { appendUidCode } from '../../../wire/imap/response-code.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

export async function append(session: ImapSession, command: AppendCommand): Promise<Reply> {
  // RFC 3502 says nothing of empty messages; Dovecot and Cyrus refuse them, as they are a client's slip.
  if (command.messages.some((message) => message.size === 0)) return no('Message is empty');
  const messages: NewMessage[] = [];
  for (const message of command.messages) messages.push(await newMessage(session, message));
  try {
    const target = { name: command.mailbox };
    const appended = await accountOf(session).append({ operation: session.operation(), target, messages });
    if (appended.mailboxId === session.view?.mailboxId) session.stale = true;
    return ok('Append completed', appendUidCode(appended.uidValidity, appended.uids));
  } catch (error) {
    if (!isMailError(error, 'noSuchMailbox')) throw error;
    return no('No such mailbox', 'TRYCREATE');
  }
}

async function newMessage(session: ImapSession, message: AppendMessage): Promise<NewMessage> {
  const { chunks, flags, internalDate } = message;
  const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, message.size);
  return { prepared: await prepareMessage(bytes, session.environment), flags, internalDate };
}
