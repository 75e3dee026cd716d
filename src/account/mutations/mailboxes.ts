// Making and renaming mailboxes (RFC 9051 6.3.4, 6.3.6). A mailbox keeps its id and messages when it or a superior
// is renamed; a name gets a new UIDVALIDITY whenever a new mailbox takes it.
// Refuses: mailboxExists, noSuchMailbox, invalidMailboxName, limitReached, permissionDenied.

import { Slicer } from '../../base/slicer.ts';
import type { OperationId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { depthMax, isInferior, nameBytesMax, normalName, superiorsOf, validName } from '../mailbox-name.ts';
import type { AccountPort, MailboxInfo, MailboxRole } from '../port.ts';
import { emptyMailboxRecord, type MailboxRecord, mailboxInfo } from '../records/account-record.ts';
import type { Draft } from '../writing/draft.ts';
import type { DraftMailbox } from '../writing/draft-mailbox.ts';
import type { Mutation } from './mutation.ts';

export type CreateMailboxOptions = Parameters<AccountPort['createMailbox']>[0];
export type RenameMailboxOptions = Parameters<AccountPort['renameMailbox']>[0];

/** Names looked at, or changed, before others may have their turn: less than a millisecond. */
const namesAtOnce = 256;

/** Adds a mailbox under a valid, free name. Who may use its superior may use it (RFC 4314 section 4). */
export function addMailbox(draft: Draft, name: string, role: MailboxRole | undefined): DraftMailbox {
  const superior = draft.find({ name: superiorsOf(name).at(-1) ?? '' });
  const mailbox = draft.addMailbox(emptyMailbox(draft, name, role));
  const acl = superior === undefined ? [] : draft.acl(superior.id);
  if (acl.length > 0) draft.setAcl(mailbox.id, acl);
  return mailbox;
}

/** The record of a new mailbox. */
export function emptyMailbox(draft: Draft, name: string, role: MailboxRole | undefined): MailboxRecord {
  const highestModSeq = draft.nextModSeq();
  const id = draft.newMailboxId();
  return emptyMailboxRecord({ id, name, role, uidValidity: draft.newUidValidity(), highestModSeq });
}

function infoMutation(
  name: string,
  operation: OperationId,
  decide: (draft: Draft) => MailboxInfo | Promise<MailboxInfo>,
): Mutation<MailboxInfo> {
  return {
    name,
    operation,
    bytes: 1000,
    decide,
    result: (info) => [info.id],
    replay([id], draft) {
      const mailbox = draft.mailbox(id as number);
      if (mailbox === undefined) throw new MailError('noSuchMailbox', 'the mailbox is gone again');
      return mailboxInfo(mailbox.record);
    },
  };
}

function checkRoom(draft: Draft, added: number): void {
  const count =
    draft.state.mailboxes.size + [...draft.mailboxes.values()].filter((mailbox) => !mailbox.state).length;
  if (count + added > draft.context.limits.mailboxesMax)
    throw new MailError('limitReached', 'too many mailboxes');
}

export function createMailboxMutation({
  operation,
  name,
  role,
}: CreateMailboxOptions): Mutation<MailboxInfo> {
  return infoMutation('createMailbox', operation, (draft) => {
    const normal = validName(name);
    const existing = draft.find({ name: normal });
    if (existing?.record.selectable) throw new MailError('mailboxExists', 'there is a mailbox of that name');
    if (role !== undefined && draft.find({ role }) !== undefined) {
      throw new MailError('mailboxExists', `there is a mailbox with the role ${role}`);
    }
    const missing = superiorsOf(normal).filter((superior) => draft.find({ name: superior }) === undefined);
    checkRoom(draft, missing.length + 1);
    for (const superior of missing) addMailbox(draft, superior, undefined);
    if (existing === undefined) return mailboxInfo(addMailbox(draft, normal, role).record);
    // A place becomes a mailbox; it never had messages.
    existing.touch(draft.nextModSeq());
    existing.record.selectable = true;
    existing.record.role = role;
    existing.record.uidValidity = draft.newUidValidity();
    draft.mailboxesChanged = true;
    return mailboxInfo(existing.record);
  });
}

/** Renaming anything but INBOX. Sliced: nothing else of this account is decided meanwhile, others go on. */
export function renameMailboxMutation({ operation, from, to }: RenameMailboxOptions): Mutation<MailboxInfo> {
  return infoMutation('renameMailbox', operation, async (draft) => {
    const before = normalName(from);
    const after = validName(to);
    const mailbox = draft.find({ name: before });
    if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
    if (draft.find({ name: after }) !== undefined)
      throw new MailError('mailboxExists', 'the new name is taken');
    if (isInferior(after, before))
      throw new MailError('invalidMailboxName', 'a mailbox cannot move into itself');
    const slicer = new Slicer(draft.context.clock);
    const inferiors = await slicer.finish(checkedInferiors(draft, before, after));
    const missing = superiorsOf(after).filter((superior) => draft.find({ name: superior }) === undefined);
    checkRoom(draft, missing.length);
    for (const superior of missing) addMailbox(draft, superior, undefined);
    const modSeq = draft.nextModSeq();
    for (const [index, { id, name }] of inferiors.entries()) {
      const inferior = draft.mailbox(id)!;
      draft.rename(inferior, after + name.slice(before.length));
      inferior.touch(modSeq);
      if (index % namesAtOnce === namesAtOnce - 1 && slicer.due()) await slicer.rest();
    }
    draft.rename(mailbox, after);
    mailbox.touch(modSeq);
    return mailboxInfo(mailbox.record);
  });
}

/** The mailboxes inside the one that moves, each of which can move along: in steps, refusing what renaming refuses. */
function* checkedInferiors(
  draft: Draft,
  before: string,
  after: string,
): Generator<undefined, Readonly<MailboxRecord>[], void> {
  const inferiors: Readonly<MailboxRecord>[] = [];
  let seen = 0;
  for (const record of draft.records()) {
    if (isInferior(record.name, before)) {
      checkRenamed(draft, after + record.name.slice(before.length), before);
      inferiors.push(record);
    }
    if (++seen % namesAtOnce === 0) yield undefined;
  }
  return inferiors;
}

/** Children get longer with their superior, and meet others only where the superior's new name was a mere prefix. */
function checkRenamed(draft: Draft, name: string, movedFrom: string): void {
  if (Buffer.byteLength(name) > nameBytesMax || name.split('/').length > depthMax) {
    throw new MailError('invalidMailboxName', 'the name of a mailbox inside it would become too long');
  }
  const taken = draft.find({ name });
  if (taken !== undefined && !isInferior(taken.record.name, movedFrom)) {
    throw new MailError('mailboxExists', 'a mailbox inside it would take the name of another');
  }
}

/** Renaming INBOX, first step: its messages go to a new mailbox, INBOX stays (RFC 9051 6.3.6). */
export function inboxRenameTargetMutation({ operation, to }: RenameMailboxOptions): Mutation<MailboxInfo> {
  const create = createMailboxMutation({ operation, name: to });
  return { ...create, name: 'renameInbox' };
}

export function setSubscribedMutation(
  options: Parameters<AccountPort['setSubscribed']>[0],
): Mutation<undefined> {
  return {
    name: 'setSubscribed',
    operation: options.operation,
    bytes: 300,
    decide(draft) {
      // RFC 9051 6.3.7: the mailbox need not exist; its name must be one that could.
      const name = validName(options.name);
      const { limits } = draft.context;
      const known = draft.subscriptions.get(name) ?? draft.state.subscriptions.has(name);
      if (known === options.subscribed) return undefined;
      if (options.subscribed && draft.state.subscriptions.size >= limits.subscriptionsMax) {
        throw new MailError('limitReached', 'too many subscriptions');
      }
      draft.nextModSeq();
      draft.subscriptions.set(name, options.subscribed);
      draft.mailboxesChanged = true;
      return undefined;
    },
    result: () => [],
    replay: () => undefined,
  };
}
