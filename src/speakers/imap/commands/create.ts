// CREATE (RFC 9051 6.3.4), with USE (RFC 6154 section 3) and MAILBOXID (RFC 8474 4.1).

import type { CreateCommand } from '../../../wire/imap/mailbox-command.ts';
import { mailboxIdCode } from '../../../wire/imap/response-code.ts';
import { locate } from '../mailbox-location.ts';
import { roleOfAttribute, withoutTrailingDelimiter } from '../mailbox-names.ts';
import { mailboxIdText } from '../object-ids.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

export async function create(session: ImapSession, command: CreateCommand): Promise<Reply> {
  const operation = session.operation();
  // A trailing delimiter announces children (RFC 9051 6.3.4); every mailbox here may have some.
  const { account, name, prefix } = await locate(session, withoutTrailingDelimiter(command.mailbox));
  const use = command.use ?? [];
  if (use.length === 0) {
    const info = await account.createMailbox({ operation, name });
    return ok('Create completed', mailboxIdCode(mailboxIdText(info.id)));
  }
  // Special uses are of the session's own mailboxes.
  const role = use.length === 1 && prefix === '' ? roleOfAttribute(use[0]!) : undefined;
  if (role === undefined) return no('This special use is not possible', 'USEATTR');
  if ((await account.findMailbox({ role })) !== undefined) {
    return no('Another mailbox has this special use', 'USEATTR');
  }
  const info = await account.createMailbox({ operation, name, role });
  return ok('Create completed', mailboxIdCode(mailboxIdText(info.id)));
}
