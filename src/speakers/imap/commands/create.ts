// CREATE (RFC 9051 6.3.4), with USE (RFC 6154 section 3) and MAILBOXID (RFC 8474 4.1).

import type { MailboxInfo } from '../../../account/port.ts';
import type { CreateCommand } from '../../../wire/imap/mailbox-command.ts';
import { mailboxIdCode } from '../../../wire/imap/response-code.ts';
import { locate, type MailboxLocation, placedAt } from '../mailbox-location.ts';
import { roleOfAttribute, withoutTrailingDelimiter } from '../mailbox-names.ts';
import { idSuffix, mailboxIdText } from '../object-ids.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { listOfNamed } from '../told-names.ts';

export async function create(session: ImapSession, command: CreateCommand): Promise<Reply> {
  const operation = session.operation();
  // A trailing delimiter announces children (RFC 9051 6.3.4); every mailbox here may have some.
  const given = withoutTrailingDelimiter(command.mailbox);
  const location = await locate(session, given);
  const { account, name, prefix } = location;
  const use = command.use ?? [];
  if (use.length === 0) {
    return created(session, location, { given, info: await account.createMailbox({ operation, name }) });
  }
  // Special uses are of the session's own mailboxes.
  const role = use.length === 1 && prefix === '' ? roleOfAttribute(use[0]!) : undefined;
  if (role === undefined) return no('This special use is not possible', 'USEATTR');
  if ((await account.findMailbox({ role })) !== undefined) {
    return no('Another mailbox has this special use', 'USEATTR');
  }
  return created(session, location, { given, info: await account.createMailbox({ operation, name, role }) });
}

function created(
  session: ImapSession,
  { account, prefix }: MailboxLocation,
  { given, info }: { readonly given: string; readonly info: MailboxInfo },
): Reply {
  const placed = placedAt({ account, prefix }, info);
  if (session.revision2 && placed.name !== given)
    session.connection.write(listOfNamed(session, placed, given));
  return ok('Create completed', mailboxIdCode(mailboxIdText(info.id, idSuffix(session, account))));
}
