// SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 section 3). Who may is the account's to say.

import { allRights, owner } from '../../../mail/rights.ts';
import { formatAcl, formatListRights, formatMyRights } from '../../../wire/imap/format-acl.ts';
import type {
  GetRightsCommand,
  IdentifierCommand,
  SetAclCommand,
} from '../../../wire/imap/mailbox-command.ts';
import { placedMailbox } from '../mailbox-location.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const set = ok('Setacl completed');
const deleted = ok('Deleteacl completed');
const got = ok('Getacl completed');
const listed = ok('Listrights completed');
const told = ok('Myrights completed');

export async function setAcl(session: ImapSession, command: SetAclCommand): Promise<Reply> {
  const { identifier, mode, rights } = command;
  const { account, id } = await placedMailbox(session, command.mailbox);
  await account.setAcl({ operation: session.operation(), mailboxId: id, identifier, mode, rights });
  return set;
}

export async function deleteAcl(session: ImapSession, command: IdentifierCommand): Promise<Reply> {
  const { identifier } = command;
  const { account, id } = await placedMailbox(session, command.mailbox);
  const operation = session.operation();
  await account.setAcl({ operation, mailboxId: id, identifier, mode: 'replace', rights: '' });
  return deleted;
}

export async function getAcl(session: ImapSession, command: GetRightsCommand): Promise<Reply> {
  const { account, id } = await placedMailbox(session, command.mailbox);
  session.connection.write(formatAcl(command.mailbox, await account.acl(id), session));
  return got;
}

/** The owner has all of them always, anybody else may have any. */
export async function listRights(session: ImapSession, command: IdentifierCommand): Promise<Reply> {
  const { account, id } = await placedMailbox(session, command.mailbox);
  const { identifier } = command;
  const [owns] = await account.acl(id);
  const name = identifier.toLowerCase();
  const isOwner = name === owner || name === owns?.identifier || `${name}@` === localPartOf(owns?.identifier);
  const required = isOwner ? allRights : '';
  session.connection.write(formatListRights(command.mailbox, { identifier, required }, session));
  return listed;
}

export async function myRights(session: ImapSession, command: GetRightsCommand): Promise<Reply> {
  const { rights } = await placedMailbox(session, command.mailbox);
  session.connection.write(formatMyRights(command.mailbox, rights, session));
  return told;
}

/** `fred@`: a name alone is one of the owner's domain. */
function localPartOf(address: string | undefined): string | undefined {
  return address?.slice(0, address.lastIndexOf('@') + 1);
}
