// What a revision 2 session is told of the names it gives (RFC 9051 6.3.9.7): who wrote a mailbox's name in another way than
// it is kept is told, by LIST with OLDNAME, how it is kept.

import { normalName } from '../../account/mailbox-name.ts';
import type { MailboxInfo } from '../../account/port.ts';
import { formatList } from '../../wire/imap/format-list.ts';
import { errorResponse } from './mail-error-responses.ts';
import { type MailboxLocation, placedAt } from './mailbox-location.ts';
import { attributesOfRole, delimiter } from './mailbox-names.ts';
import type { ImapSession } from './session.ts';

/** A mailbox under the name that the client knows it by; \NonExistent when it is no more. */
type ToldMailbox = Pick<MailboxInfo, 'name'> & Partial<Pick<MailboxInfo, 'role' | 'selectable'>>;

/** The LIST response that says what a mailbox is called that the client called `given`. */
export function listOfNamed(session: ImapSession, mailbox: ToldMailbox, given: string): string {
  const { name } = mailbox;
  const oldName = given === name ? {} : { oldName: given };
  return formatList('LIST', { name, attributes: attributesOf(mailbox), delimiter, ...oldName }, session);
}

/**
 * To a session of revision 2 that wrote the name of a mailbox in another way: how it is kept, and whether it is there. What was
 * done is done: when the account cannot be asked the client is told nothing of it.
 */
export async function tellNameOf(
  session: ImapSession,
  location: MailboxLocation,
  given: string,
): Promise<void> {
  const name = location.prefix + normalName(location.name);
  if (!session.revision2 || name === given) return;
  try {
    const info = await location.account.findMailbox({ name: location.name });
    const mailbox = info === undefined ? { name } : placedAt(location, info);
    session.connection.write(listOfNamed(session, mailbox, given));
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'the name of a mailbox could not be told');
  }
}

function attributesOf({ role, selectable }: ToldMailbox): string[] {
  if (selectable === undefined) return ['\\NonExistent'];
  return selectable ? attributesOfRole(role) : ['\\Noselect'];
}
